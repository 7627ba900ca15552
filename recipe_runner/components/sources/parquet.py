"""Parquet files."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from recipe_runner.components.source import Source
from recipe_runner.rows import Rows
from recipe_runner.rows.table import parquet_head


class Parquet(Source):
    """Parquet files, the usual columnar form of large data sets."""

    type: Literal["parquet"]

    suffixes: ClassVar[tuple[str, ...]] = (".parquet",)
    builder: ClassVar[str | None] = "parquet"
    snippet: ClassVar[str] = "train: data/chat.parquet"

    def rows(
        self, files: Sequence[str], *, scratch: Path | None = None, max_chunks: int | None = None
    ) -> Rows | None:
        return parquet_head(files) if scratch is None else None
