"""Images in examples, and in the texts that a recipe writes."""

from __future__ import annotations

from typing import Any

import pytest

from recipe_runner.components.base import create
from recipe_runner.components.format import Format
from recipe_runner.components.images import has_images, images_in
from recipe_runner.rows import RowProblem


def template(**more: Any) -> Format:
    made: Format = create(
        "recipe_runner.components.formats",
        {
            "type": "template",
            "render": "chat",
            "prompt": "{query}",
            "completion": "{label}",
            "images_column": "image",
            **more,
        },
    )
    return made


def test_a_template_puts_the_images_of_a_column_before_the_prompt() -> None:
    row = {"query": "who?", "label": "a cat", "image": {"bytes": b"png", "path": None}}
    example = template(system="look").to_example(row)
    assert example["prompt"] == [
        {"role": "system", "content": "look"},
        {
            "role": "user",
            "content": [{"type": "image", "image": b"png"}, {"type": "text", "text": "who?"}],
        },
    ]
    assert example["completion"] == [{"role": "assistant", "content": "a cat"}]
    assert list(images_in(example)) == [b"png"]


def test_a_row_without_its_image_is_a_problem() -> None:
    with pytest.raises(RowProblem, match="image"):
        template().to_example({"query": "who?", "label": "a cat"})


def test_texts_have_no_images() -> None:
    assert not has_images({"text": "an <image> in words"})
    assert not has_images({"messages": [{"role": "user", "content": "hi"}]})
