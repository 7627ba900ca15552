"""Comma-separated and tab-separated values."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from recipe_runner.components.source import Source
from recipe_runner.rows import CsvRows, Rows


class Csv(Source):
    """Comma-separated or tab-separated values with a header line; every value is a text or a number."""

    type: Literal["csv"]

    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv")
    builder: ClassVar[str | None] = "csv"
    snippet: ClassVar[str] = "train: {path: data/pairs.csv, format: prompt_completion}"

    def rows(
        self, files: Sequence[str], *, scratch: Path | None = None, max_chunks: int | None = None
    ) -> Rows | None:
        return CsvRows(files, max_chunks=max_chunks)
