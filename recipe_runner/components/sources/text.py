"""Plain text files."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from recipe_runner.components.source import Source
from recipe_runner.rows import Rows, TextRows


class Text(Source):
    """Plain text, one row a line, in a column named `text`."""

    type: Literal["text"]

    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".text")
    builder: ClassVar[str | None] = "text"
    snippet: ClassVar[str] = "train: {path: data/book.txt, format: text}"

    def rows(
        self, files: Sequence[str], *, scratch: Path | None = None, max_chunks: int | None = None
    ) -> Rows | None:
        return TextRows(files, max_chunks=max_chunks)
