"""Rows of a source, in chunks that any process can read on its own.

Chunks depend on the data alone, never on the number of processes, so the prepared
bytes do not either. A row that cannot be read is a `RowProblem` in its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

CHUNK_ROWS = 1000
"""Rows of one chunk at most; also the rows of one Arrow record batch of prepared data."""

CHUNK_BYTES = 8 << 20
"""Bytes of a text file after which a chunk ends early, to bound the memory of long rows."""


Row = Mapping[str, Any]


class RowProblem(Exception):
    """A row cannot be used. `reason` is a stable word such as "missing-column"."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Where(NamedTuple):
    """The place of a row: its number in the source from 1, and its file and line where known."""

    number: int
    file: str | None = None
    line: int | None = None
    column: int = 1
    excerpt: str | None = None
    excerpt_column: int = 1


@dataclass(frozen=True)
class Chunk:
    """Rows from `start` up to, not including, `stop`, counted from 0 over the whole source.

    In a text file they begin at byte `offset`, on line `line`.
    """

    start: int
    stop: int
    file: str = ""
    offset: int = 0
    line: int = 1


Located = tuple[Where, Row | RowProblem]


class Rows(Protocol):
    """The rows of one source. Must survive pickling, for processes that are not forked."""

    def __len__(self) -> int: ...

    @property
    def chunks(self) -> Sequence[Chunk]: ...

    def read(self, chunk: Chunk) -> Iterator[Located]: ...


def rename(row: Row, columns: Mapping[str, str]) -> Row:
    """Rename columns, `columns` being ours to theirs. Raises `RowProblem` where one is missing."""
    if not columns:
        return row
    for ours, theirs in columns.items():
        if theirs not in row:
            have = ", ".join(f"`{name}`" for name in row) or "no columns"
            words = f"has no column `{theirs}`, which `columns` takes as `{ours}`; it has {have}"
            raise RowProblem("missing-column", words)
    renamed: dict[str, Any] = {k: v for k, v in row.items() if k not in columns.values()}
    renamed.update({ours: row[theirs] for ours, theirs in columns.items()})
    return renamed


def what_is(value: Any) -> str:
    """What a value of a row is, in the words of messages: "a text", "a list", "null"."""
    if value is None:
        return "null"
    for kind, words in _KINDS:
        if isinstance(value, kind):
            return words
    return f"a {type(value).__name__}"


_KINDS: tuple[tuple[Any, str], ...] = (
    (bool, "a truth value"),
    (int | float, "a number"),
    (str, "a text"),
    (bytes, "bytes"),
    (Mapping, "a mapping"),
    (list | tuple, "a list"),
)
