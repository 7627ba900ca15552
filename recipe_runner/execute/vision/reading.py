"""Reads a row with images back: which of its tokens are images, and which are the text's."""

from __future__ import annotations

from typing import Any

from recipe_runner.execute.vision.align import origins
from recipe_runner.execute.vision.processor import image_tokens
from recipe_runner.execute.vision.rows import ImageRow
from recipe_runner.rows import RowProblem

IMAGE = "image"
"""The role of the tokens that an image brought."""


def plain_tokens(row: ImageRow, processor: Any) -> tuple[list[int], list[int | None]] | None:
    """The tokens of a row's text without its images, and the place there of each of the row's own.

    The place is None for what an image brought. None where the row is no whole one.
    """
    backend = processor.tokenizer.backend_tokenizer
    plain: list[int] = backend.encode(row.text, add_special_tokens=False).ids
    try:
        places = origins(plain, row.input_ids, len(row.images), image_tokens(processor))
    except RowProblem:
        return None
    return plain, places
