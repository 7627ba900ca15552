"""Examples with images become token ids and labels.

The text is tokenized and masked as any other (`execute/tokenize`), with a placeholder for
each image; the processor then says what stands in the place of the images, and the labels
are carried over.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from recipe_runner.components.format import Example
from recipe_runner.components.images import has_images
from recipe_runner.execute.tokenize import IGNORED, RowTokenizer, Tokenized, TokenizeSettings
from recipe_runner.execute.tokenize.conversation import Chat, ChatTemplate
from recipe_runner.execute.vision.align import ImageTokens, origins
from recipe_runner.execute.vision.examples import split
from recipe_runner.execute.vision.images import ImageFolder
from recipe_runner.execute.vision.processor import image_token_ids, image_tokens
from recipe_runner.rows import RowProblem

Result = tuple[Tokenized, ...] | RowProblem


@dataclass(frozen=True)
class ImageRow(Tokenized):
    """A row with what its pictures are made from again when it is trained on.

    `images` are references of `ImageFolder`, `text` is what the processor is given beside
    them; both are empty where the row has no image.
    """

    text: str = ""
    images: tuple[str, ...] = ()

    @property
    def pictures(self) -> bytes:
        """Both as they are written beside the tokens; nothing where there is no image."""
        return json.dumps([self.text, self.images]).encode() if self.images else b""


@dataclass(frozen=True)
class TextOnly:
    """Tokenizes rows for a model that reads text: a row with an image is refused."""

    rows: Callable[[Sequence[Example]], list[Result]]

    def __call__(self, examples: Sequence[Example]) -> list[Result]:
        seen = [has_images(example) for example in examples]
        if not any(seen):
            return self.rows(examples)
        plain = iter(self.rows([e for e, image in zip(examples, seen, strict=True) if not image]))
        problem = RowProblem(
            "image-not-read",
            "has an image, and `model.task` is causal_lm, which reads text only; set "
            "`model.task: image_text_to_text` with a model that sees",
        )
        return [problem if image else next(plain) for image in seen]


class _Draft(NamedTuple):
    """An example whose images are known: what is tokenized, and what the images are."""

    plain: Example
    images: tuple[str, ...]


@dataclass(frozen=True)
class VisionTokenizer:
    """Tokenizes rows for a model that sees, with or without images in them.

    `max_length` counts the tokens of images. A row that is longer is cut behind its last
    image, or it is over-length: half an image is none. Reasons beside those of
    `RowTokenizer`: "image-missing", "image-broken", "image-refused" (by the processor),
    "image-tokens-unaligned".
    """

    processor: Any
    settings: TokenizeSettings
    folder: ImageFolder
    _rows: RowTokenizer = field(repr=False)

    @classmethod
    def of(cls, processor: Any, settings: TokenizeSettings, folder: ImageFolder) -> VisionTokenizer:
        """`processor` as `load_processor` gives it: it holds the run's tokenizer."""
        _one_thread()
        whole = replace(settings, max_length=None)
        return cls(processor, settings, folder, RowTokenizer.of(processor.tokenizer, whole))

    def __call__(self, examples: Sequence[Example]) -> list[Result]:
        drafts = [self._draft(example) for example in examples]
        plain = iter(self._rows([d.plain for d in drafts if not isinstance(d, RowProblem)]))
        results: list[Result] = []
        for draft in drafts:
            result = draft if isinstance(draft, RowProblem) else next(plain)
            if isinstance(draft, RowProblem) or isinstance(result, RowProblem):
                results.append(result)
                continue
            try:
                results.append(tuple(self._finished(draft, row) for row in result))
            except RowProblem as problem:
                results.append(problem)
        return results

    def _draft(self, example: Example) -> _Draft | RowProblem:
        plain, images = split(example)
        try:
            return _Draft(plain, tuple(self.folder.reference(image) for image in images))
        except RowProblem as problem:
            return problem

    def _finished(self, draft: _Draft, row: Tokenized) -> ImageRow:
        if not draft.images:
            self._refuse_places(row)
            return self._cut(_image_row(row), end=0)
        text = self._text(draft.plain)
        ids = self._whole(text, draft.images)
        places = origins(row.input_ids, ids, len(draft.images), self._tokens)
        labels = [IGNORED if place is None else row.labels[place] for place in places]
        weights = row.weights and [1.0 if p is None else row.weights[p] for p in places]
        made = replace(
            _image_row(row),
            input_ids=ids,
            labels=labels,
            weights=weights,
            text=text,
            images=draft.images,
        )
        end = max(place for place, token in enumerate(ids) if token in self._tokens.fill) + 1
        return self._cut(made, end)

    def _refuse_places(self, row: Tokenized) -> None:
        """Refuse a text that spells an image: its model would look for features of one."""
        if not self._fill.isdisjoint(row.input_ids):
            token = self.processor.image_token
            words = f"has no image, and its text has the token of one, such as {token}"
            raise RowProblem("image-tokens-unaligned", words)

    def _text(self, plain: Example) -> str:
        template = ChatTemplate(self.processor.tokenizer, self.settings.chat_template)
        messages: list[Any] = list(plain.get("messages") or ())
        if not messages:
            messages = [*plain["prompt"], *plain["completion"]]
        chat = Chat.of(messages, plain, self.settings.chat_template_kwargs)
        return template.render(chat, chat.messages)

    def _whole(self, text: str, images: Sequence[str]) -> list[int]:
        """The tokens with those of the images among them, as the model gets them."""
        pictures = [self.folder.open(image) for image in images]
        try:
            made = self.processor(text=[text], images=[pictures], add_special_tokens=False)
        except ValueError as error:
            # Processors refuse pictures of odd sizes, and texts whose places do not fit.
            raise RowProblem(
                "image-refused", f"is refused by the processor, which says: {error}"
            ) from error
        return [int(token) for token in made["input_ids"][0]]

    def _cut(self, row: ImageRow, end: int) -> ImageRow:
        """The row within `max_length`, cut no earlier than at `end`, behind its last image."""
        length, limit = len(row.input_ids), self.settings.max_length
        if limit is None or length <= limit:
            return row
        above = f"has {length} tokens, above `max_length` {limit}"
        if self.settings.overlong == "drop":
            raise RowProblem("over-length", above)
        if self.settings.overlong != "truncate":
            raise RowProblem("over-length-refused", above)
        if end > limit:
            raise RowProblem(
                "over-length-refused", f"{above}, and its images alone reach to token {end}"
            )
        labels = row.labels[:limit]
        if all(label == IGNORED for label in labels):
            raise RowProblem(
                "no-trained-token",
                f"has all of its tokens to train on cut off: it {above}, and a row is cut at its end",
            )
        weights = row.weights and row.weights[:limit]
        return replace(
            row,
            input_ids=row.input_ids[:limit],
            labels=labels,
            weights=weights,
            truncated=length - limit,
        )

    @cached_property
    def _fill(self) -> frozenset[int]:
        return image_token_ids(self.processor)

    @cached_property
    def _tokens(self) -> ImageTokens:
        return image_tokens(self.processor)


def _one_thread() -> None:
    """Keep torch to one thread in a worker: its pool of threads does not survive a fork."""
    if multiprocessing.parent_process() is not None:
        import torch

        torch.set_num_threads(1)


def _image_row(row: Tokenized) -> ImageRow:
    return ImageRow(**vars(row))
