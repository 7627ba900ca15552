"""Data sets of the Hugging Face hub."""

from typing import ClassVar, Literal

from recipe_runner.components.source import Source


class Hub(Source):
    """A data set of the Hugging Face hub, by its id; pin `revision` so that the recipe stays reproducible."""

    type: Literal["hub"]

    suffixes: ClassVar[tuple[str, ...]] = ()
    builder: ClassVar[str | None] = None
    snippet: ClassVar[str] = "train: {path: org/name, revision: main, split: train}"
