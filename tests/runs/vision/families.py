"""The tiny models that see, each made once for all tests of a session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tiny_vision import FAMILIES as MADE
from tests.tiny_vision import tiny_vision

FAMILIES = tuple(MADE)


@dataclass(frozen=True)
class Family:
    """A tiny model on disk, and its processor."""

    name: str
    folder: Path
    processor: Any

    @classmethod
    def made(cls, name: str, folder: Path) -> Family:
        """Write the model to `folder` and load its processor."""
        from transformers import AutoProcessor

        tiny_vision(folder, family=name)
        return cls(name, folder, AutoProcessor.from_pretrained(folder))

    @property
    def place(self) -> int:
        """The token that stands for an image in a template's text."""
        number: int = self.processor.tokenizer.convert_tokens_to_ids(self.processor.image_token)
        return number

    @property
    def fill(self) -> frozenset[int]:
        """The tokens that an image is made of."""
        ids = {self.place, self.processor.tokenizer.image_token_id}
        return frozenset(ids)
