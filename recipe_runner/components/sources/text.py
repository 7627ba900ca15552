"""Plain text files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from recipe_runner.components.source import Source
from recipe_runner.rows import Located, Rows, TextRows
from recipe_runner.rows.packed import Opener, can_open, unpack_all


class Text(Source):
    """Plain text, one row a line, in a column named `text`."""

    type: Literal["text"]

    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".text")
    may_be_packed: ClassVar[bool] = True
    builder: ClassVar[str | None] = "text"
    snippet: ClassVar[str] = "train: {path: data/book.txt, format: text}"

    def rows(
        self, files: Sequence[str], *, scratch: Path | None = None, max_chunks: int | None = None
    ) -> Rows | None:
        if scratch is None:
            return TextRows(files, max_chunks) if all(map(can_open, files)) else None
        shown = unpack_all(files, scratch)
        return TextRows(list(shown), max_chunks, shown)

    def walk(self, files: Sequence[str], opener: Opener) -> Iterator[Located] | None:
        return TextRows(files, 0, opener=opener).walk()
