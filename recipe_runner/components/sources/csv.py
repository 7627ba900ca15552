"""Comma-separated and tab-separated values."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from recipe_runner.components.source import Source
from recipe_runner.rows import CsvRows, Located, Rows
from recipe_runner.rows.packed import Opener, can_open, unpack_all


class Csv(Source):
    """Comma-separated or tab-separated values with a header line; every value is a text or a number."""

    type: Literal["csv"]

    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv")
    may_be_packed: ClassVar[bool] = True
    builder: ClassVar[str | None] = "csv"
    snippet: ClassVar[str] = "train: {path: data/pairs.csv, format: prompt_completion}"

    def rows(
        self, files: Sequence[str], *, scratch: Path | None = None, max_chunks: int | None = None
    ) -> Rows | None:
        if scratch is None:
            return CsvRows(files, max_chunks) if all(map(can_open, files)) else None
        shown = unpack_all(files, scratch)
        return CsvRows(list(shown), max_chunks, shown)

    def walk(self, files: Sequence[str], opener: Opener) -> Iterator[Located] | None:
        return CsvRows(files, 0, opener=opener).walk()
