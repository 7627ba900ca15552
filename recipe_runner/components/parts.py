"""Content of a message: a text, or parts with images among them.

Parts of text alone are one text, which is what a chat template would print. Images are kept
as the row has them: a path, a URL (a data URL too) or bytes; nothing is opened here.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from recipe_runner.components.format import ContentPart, Message
from recipe_runner.rows import RowProblem, what_is

MARKER = "<image>"
"""What stands for an image inside a text in LLaVA's, LLaMA-Factory's and ms-swift's data."""

Image = str | bytes


def content_of(value: Any, key: str, where: str) -> str | list[ContentPart]:
    """A text, or the parts that it is made of; an image part without an image is a place for one."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list | tuple):
        kind = what_is(value)
        raise RowProblem("not-text", f"has {kind} where text is expected, in `{key}` of {where}")
    parts = [
        _part(item, f"part {number} of `{key}` of {where}") for number, item in enumerate(value, 1)
    ]
    if all(part["type"] == "text" for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def images_of(value: Any, column: str) -> list[Image]:
    """The images of a row: a list of them, or a single one."""
    items = value if isinstance(value, list | tuple) else [value]
    return [_image(item, f"image {n} of `{column}`") for n, item in enumerate(items, 1)]


def place_images(messages: Sequence[Message], images: Sequence[Image]) -> list[Message]:
    """Put the images of a row where its messages have places for them, in order.

    A place is a part `{type: image}` without an image, or `<image>` in a text. Where there
    is none, the images come before the first text of the user, as in TRL.
    """
    open_parts = sum(_is_open(part) for message in messages for part in _parts(message))
    texts = [m["content"] for m in messages if isinstance(m.get("content"), str)]
    markers = sum(str(text).count(MARKER) for text in texts) if images else 0
    if not images and not open_parts:
        return list(messages)
    left = list(reversed(images))
    if open_parts == len(images):
        return [_filled(message, left) for message in messages]
    if not open_parts and markers == len(images):
        return [_split(message, left) for message in messages]
    first = next((i for i, m in enumerate(messages) if m["role"] == "user"), None)
    if open_parts or markers or first is None:
        places = open_parts or markers
        raise RowProblem(
            "image-count",
            f"has {_counted(len(images), 'image')} and {_counted(places, 'place')} for them",
        )
    asked: list[ContentPart] = [{"type": "image", "image": image} for image in images]
    return [_before(m, asked) if i == first else m for i, m in enumerate(messages)]


def _part(item: Any, where: str) -> ContentPart:
    kind = item.get("type") if isinstance(item, Mapping) else None
    if kind == "text" and isinstance(item.get("text"), str):
        return {"type": "text", "text": item["text"]}
    if kind == "image_url" and item.get("image_url") is not None:
        return {"type": "image", "image": _image(item["image_url"], where)}
    if kind == "image":
        given = next((k for k in ("image", "url", "path") if item.get(k) is not None), None)
        if given is not None:
            return {"type": "image", "image": _image(item[given], where)}
        if item.get("base64") is not None:
            return {"type": "image", "image": _decoded(item["base64"], where)}
        return {"type": "image"}
    if kind in ("text", "image_url"):
        raise RowProblem("empty-part", f"has no `{kind}` in {where}")
    said = f"the type {kind!r}" if isinstance(kind, str) else "no type"
    raise RowProblem("unknown-part", f"has {said} in {where}; known are text, image and image_url")


def _image(value: Any, where: str) -> Image:
    if isinstance(value, Mapping):
        keys = ("bytes", "path", "url")
        value = next((value[key] for key in keys if value.get(key) is not None), None)
    if isinstance(value, str | bytes) and value:
        return value
    kind = what_is(value)
    raise RowProblem(
        "not-an-image", f"has {kind} where a path, a URL or bytes are expected, in {where}"
    )


def _decoded(value: Any, where: str) -> bytes:
    try:
        image = base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        image = b""
    if not image:
        raise RowProblem("not-an-image", f"has no image in base64 in {where}")
    return image


def _parts(message: Message) -> Sequence[ContentPart]:
    content = message.get("content", "")
    return () if isinstance(content, str) else content


def _is_open(part: ContentPart) -> bool:
    return part["type"] == "image" and "image" not in part


def _filled(message: Message, left: list[Image]) -> Message:
    parts = _parts(message)
    if not any(_is_open(part) for part in parts):
        return message
    filled: list[ContentPart] = [
        {"type": "image", "image": left.pop()} if _is_open(part) else part for part in parts
    ]
    return {**message, "content": filled}


def _split(message: Message, left: list[Image]) -> Message:
    content = message.get("content", "")
    if not isinstance(content, str) or MARKER not in content:
        return message
    _refuse_spans(message)
    before, *after = content.split(MARKER)
    parts: list[ContentPart] = [{"type": "text", "text": before}] if before else []
    for text in after:
        parts.append({"type": "image", "image": left.pop()})
        if text:
            parts.append({"type": "text", "text": text})
    return {**message, "content": parts}


def _before(message: Message, images: list[ContentPart]) -> Message:
    _refuse_spans(message)
    content = message.get("content", "")
    text: list[ContentPart] = (
        [{"type": "text", "text": content}] if isinstance(content, str) else []
    )
    return {**message, "content": [*images, *(text or _parts(message))]}


def _refuse_spans(message: Message) -> None:
    if "train_spans" in message:
        raise RowProblem("span-outside", "marks characters of a text that images are put into")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
