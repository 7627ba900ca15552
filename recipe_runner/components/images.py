"""Where the images of an example are."""

from collections.abc import Iterator, Mapping
from typing import Any

from recipe_runner.components.format import Example

CONVERSATIONS = ("messages", "prompt", "completion", "chosen", "rejected")
"""The keys of an example that may hold messages, in the order in which a template renders them."""


def has_images(example: Example) -> bool:
    """True where a message of the example holds an image."""
    return any(True for _ in images_in(example))


def images_in(example: Example) -> Iterator[Any]:
    """The images of an example's messages, as the row has them; None for a place without one."""
    for key in CONVERSATIONS:
        messages: Any = example.get(key)
        for message in messages if isinstance(messages, list | tuple) else ():
            content = message.get("content")
            for part in content if isinstance(content, list | tuple) else ():
                if is_image(part):
                    yield part.get("image")


def is_image(part: object) -> bool:
    """True for a content part that is an image."""
    return isinstance(part, Mapping) and part.get("type") == "image"
