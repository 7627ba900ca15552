"""Examples with images, in the two forms that are needed of them.

For tokens: messages whose images are bare placeholders, and the images beside them. For
trainers that tokenize on their own: messages with placeholders and a list of pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recipe_runner.components.format import Example
from recipe_runner.components.images import CONVERSATIONS, images_in, is_image
from recipe_runner.execute.vision.images import decoded
from recipe_runner.rows import RowProblem


def split(example: Example) -> tuple[Example, list[object]]:
    """The example with `{"type": "image"}` for each image, and the images in order.

    Contents that are texts become lists of one part: templates of models that see take
    nothing else, and this is what TRL gives them.
    """
    plain: dict[str, Any] = dict(example)
    for key in CONVERSATIONS:
        messages = plain.get(key)
        if isinstance(messages, list | tuple):
            plain[key] = [_without_images(message) for message in messages]
    return plain, list(images_in(example))  # type: ignore[return-value]  # the same keys


def to_trl(example: Example, base: Path | None) -> dict[str, Any]:
    """The example as TRL's trainers take it: messages with placeholders, and `images` as pictures.

    It has `images` also where there are none, because TRL looks at the first row to learn
    whether a data set has them. Two answers that begin alike get that beginning as their
    `prompt`, and its images once. Paths are seen from `base`. Raises `RowProblem` as
    `ImageFolder` does, and "image-in-answer" for an image that only one answer has: TRL
    gives the images of a row to both.
    """
    plain, images = split(_prompted(example))
    both: list[Any] = [plain.get("chosen") or (), plain.get("rejected") or ()]
    answers = [message for answer in both for message in answer]
    if any(is_image(part) for message in answers for part in _parts(message)):
        raise RowProblem("image-in-answer", "has an image in an answer, and not in the prompt")
    return {**plain, "images": [decoded(image, base) for image in images]}


def _prompted(example: Example) -> Example:
    """The example with the messages that both answers begin with as its prompt."""
    chosen, rejected = example.get("chosen"), example.get("rejected")
    if "prompt" in example or not isinstance(chosen, list) or not isinstance(rejected, list):
        return example
    pairs = enumerate(zip(chosen, rejected, strict=False))
    shared = next((n for n, (a, b) in pairs if a != b), min(len(chosen), len(rejected)))
    # The last turn is always an answer, even where both are the same.
    shared = min(shared, len(chosen) - 1, len(rejected) - 1)
    parts: Example = {
        "prompt": chosen[:shared],
        "chosen": chosen[shared:],
        "rejected": rejected[shared:],
    }
    return {**example, **parts}


def _parts(message: Mapping[str, Any]) -> Sequence[Any]:
    content = message.get("content")
    return content if isinstance(content, list | tuple) else ()


def _without_images(message: Mapping[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if isinstance(content, str):
        return {**message, "content": [{"type": "text", "text": content}]}
    parts = [{"type": "image"} if is_image(part) else part for part in _parts(message)]
    return {**message, "content": parts} if parts else dict(message)
