"""Parquet files."""

from typing import ClassVar, Literal

from recipe_runner.components.source import Source


class Parquet(Source):
    """Parquet files, the usual columnar form of large data sets."""

    type: Literal["parquet"]

    suffixes: ClassVar[tuple[str, ...]] = (".parquet",)
    builder: ClassVar[str | None] = "parquet"
    snippet: ClassVar[str] = "train: data/chat.parquet"
