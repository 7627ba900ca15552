"""Rows of text files: JSON lines, CSV and plain text, read in place.

The files are neither copied nor turned into Arrow first. A table needs one type per
column, and real JSON lines do not have that: tool schemas differ from row to row, and
the type that the first rows suggest fails thousands of rows later. Read line by line,
each row keeps its own shape and every fault has its line and column. One pass finds
where chunks begin; memory holds three numbers per thousand rows.
"""

from __future__ import annotations

import csv
import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

from recipe_runner.rows.packed import Opener, go_to, kind_of, plain
from recipe_runner.rows.row import (
    CHUNK_BYTES,
    CHUNK_ROWS,
    Chunk,
    Located,
    RowProblem,
    Where,
    what_is,
)

_BOM = b"\xef\xbb\xbf"
LONGEST_LINE = 64 << 20
"""Bytes of a line at most: a few hundred bytes can hold gigabytes once they are unpacked."""

_EXCERPT = 50
"""Characters shown on each side of a fault in a long line."""


class Raw(NamedTuple):
    """A record before it is understood: its first line, its first byte, and what is there."""

    line: int
    offset: int
    value: Any


@dataclass
class LineRows:
    """Rows of text files that begin at some byte of some line. Blank lines are no rows.

    With `max_chunks`, only the first chunks are indexed, and the length counts their rows.
    `shown` maps a file that was unpacked to the one that the user knows.
    """

    files: Sequence[str]
    max_chunks: int | None = None
    shown: Mapping[str, str] = field(default_factory=dict)
    opener: Opener = plain
    chunks: list[Chunk] = field(init=False)

    def __post_init__(self) -> None:
        found = (chunk for chunk in self._index() if chunk.stop > chunk.start)
        self.chunks = list(islice(found, self.max_chunks))

    def __len__(self) -> int:
        return self.chunks[-1].stop if self.chunks else 0

    def read(self, chunk: Chunk) -> Iterator[Located]:
        file = self._shown(chunk.file)
        with self.opener(chunk.file) as handle:
            go_to(handle, chunk.offset)
            records = islice(
                self._records(handle, file, chunk.line, chunk.offset), chunk.stop - chunk.start
            )
            for number, raw in enumerate(records, chunk.start + 1):
                yield self._row(raw, Where(number, file, raw.line))

    def walk(self) -> Iterator[Located]:
        """All rows in one pass, of files that need not be indexed (`max_chunks=0`)."""
        row = 0
        for name in self.files:
            file = self._shown(name)
            with self.opener(name) as handle:
                line, offset = self._begin(handle, file)
                for raw in self._records(handle, file, line, offset):
                    row += 1
                    yield self._row(raw, Where(row, file, raw.line))

    @abstractmethod
    def _row(self, raw: Raw, where: Where) -> Located:
        """Understand one record."""

    def _begin(self, handle: BinaryIO, file: str) -> tuple[int, int]:
        """Move to the first record; returns the number of its line and its offset."""
        return 1, _skip_mark(handle)

    def _shown(self, file: str) -> str:
        return self.shown.get(file, file)

    def _records(
        self,
        handle: BinaryIO,
        file: str,
        line: int,
        offset: int,
    ) -> Iterator[Raw]:
        for number, (text, length) in enumerate(_lines(handle), line):
            if not text.isspace():
                yield Raw(number, offset, text if len(text) == length else _too_long(length))
            offset += length

    def _index(self) -> Iterator[Chunk]:
        row = 0
        for file in self.files:
            with self.opener(file) as handle:
                line, offset = self._begin(handle, self._shown(file))
                first, start = Raw(line, offset, None), row
                for raw in self._records(handle, self._shown(file), line, offset):
                    if row - start >= CHUNK_ROWS or raw.offset - first.offset >= CHUNK_BYTES:
                        yield Chunk(start, row, file, first.offset, first.line)
                        first, start = raw, row
                    row += 1
                yield Chunk(start, row, file, first.offset, first.line)


@dataclass
class TextRows(LineRows):
    """Plain text: one row a line, in a column named `text`."""

    def _row(self, raw: Raw, where: Where) -> Located:
        if isinstance(raw.value, RowProblem):
            return where, raw.value
        try:
            return where, {"text": raw.value.decode().rstrip("\r\n")}
        except UnicodeDecodeError as error:
            return _not_utf8(raw.value, error, where)


@dataclass
class JsonRows(LineRows):
    """JSON lines: one object a line.

    `numbered` are files, as shown, whose lines `array.unpack` wrote: they begin with the
    line number in the array and a tab.
    """

    numbered: frozenset[str] = frozenset()

    def _row(self, raw: Raw, where: Where) -> Located:
        text = raw.value
        if isinstance(text, RowProblem):
            return where, text
        if where.file in self.numbered:
            line, _, text = text.partition(b"\t")
            where = where._replace(line=int(line))
        try:
            value = json.loads(text)
        except UnicodeDecodeError as error:
            return _not_utf8(text, error, where)
        except json.JSONDecodeError as error:
            return _malformed(text, error, where)
        except RecursionError:
            return where, RowProblem("malformed", "nests deeper than can be read")
        except ValueError:
            return where, RowProblem("malformed", "holds a number of too many digits")
        if (b"\\ud" in text or b"\\uD" in text) and not _is_text(value):
            return where, RowProblem("malformed", "holds half of a surrogate pair, no character")
        if not isinstance(value, dict):
            kind = what_is(value)
            return where, RowProblem("not-an-object", f"holds {kind}, not an object")
        return where, value


@dataclass
class CsvRows(LineRows):
    """CSV and TSV with a header line; every value is text, as written.

    Values are not guessed to be numbers or nulls: the answer "42" is a text, and so is "NA".
    """

    headers: dict[str, list[str]] = field(init=False, default_factory=dict)

    def _begin(self, handle: BinaryIO, file: str) -> tuple[int, int]:
        lines = _CountedLines(handle, 1, _skip_mark(handle))
        for values in csv.reader(lines, delimiter=_delimiter(file)):
            if values:
                self.headers[file] = values
                break
        return lines.line, lines.offset

    def _records(self, handle: BinaryIO, file: str, line: int, offset: int) -> Iterator[Raw]:
        csv.field_size_limit(LONGEST_LINE)
        lines = _CountedLines(handle, line, offset)
        reader = csv.reader(lines, delimiter=_delimiter(file), strict=True)
        while True:
            start, offset = lines.line, lines.offset
            values: Any
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Raw(start, offset, error)
                continue
            if lines.too_long is not None:
                values, lines.too_long = lines.too_long, None
            if values:
                yield Raw(start, offset, values)

    def _row(self, raw: Raw, where: Where) -> Located:
        assert where.file is not None
        header, values = self.headers[where.file], raw.value
        if isinstance(values, RowProblem):
            return where, values
        if isinstance(values, csv.Error):
            if "unexpected end of data" in str(values):
                return where, RowProblem("truncated", "opens a quote that the file never closes")
            return where, RowProblem("malformed", f"is no CSV: {values}")
        if len(values) != len(header):
            count = f"{len(values)} value" if len(values) == 1 else f"{len(values)} values"
            words = f"has {count} where the header names {len(header)} columns"
            return where, RowProblem("malformed", words)
        if any("\udc80" <= c <= "\udcff" for value in values for c in value if not c.isascii()):
            return where, RowProblem("malformed", "is not UTF-8")
        return where, dict(zip(header, values, strict=True))


class _CountedLines(Iterable[str]):
    """Lines of a file for the CSV reader, which takes one only when it needs it.

    Bytes that are not UTF-8 become surrogates: an error in here would end the reader.
    """

    def __init__(self, handle: BinaryIO, line: int, offset: int) -> None:
        self.handle, self.line, self.offset = handle, line, offset
        self.too_long: RowProblem | None = None

    def __iter__(self) -> Iterator[str]:
        for text, length in _lines(self.handle):
            self.offset += length
            self.line += 1
            if len(text) == length:
                yield text.decode("utf-8", "surrogateescape")
                continue
            # A row of its own, in the place of a line that cannot be held.
            self.too_long = _too_long(length)
            yield "x\n"


def _lines(handle: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Lines and their lengths; of one above `LONGEST_LINE` only the beginning is held."""
    while text := handle.readline(LONGEST_LINE):
        length, end = len(text), text
        while len(end) == LONGEST_LINE and not end.endswith(b"\n"):
            end = handle.readline(LONGEST_LINE)
            length += len(end)
        yield text, length


def _too_long(length: int) -> RowProblem:
    words = f"is a line of {length:,} bytes, above the {LONGEST_LINE:,} that a row may have"
    return RowProblem("malformed", words)


def _delimiter(file: str) -> str:
    return "\t" if kind_of(file) == ".tsv" else ","


def _skip_mark(handle: BinaryIO) -> int:
    """Skip a byte order mark; returns how many bytes it has."""
    # Every reader of `packed` can look ahead; some cannot go back.
    if handle.peek(len(_BOM))[: len(_BOM)] != _BOM:  # type: ignore[attr-defined]
        return 0
    return len(handle.read(len(_BOM)))


def _is_text(value: Any) -> bool:
    """False where half of a surrogate pair stands alone: no tokenizer can encode it."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _malformed(text: bytes, error: json.JSONDecodeError, where: Where) -> Located:
    line = text.decode()
    # Only a line that nothing follows, not even a line break, can have been cut off.
    cut_off = not line.endswith("\n") and (
        error.pos >= len(line.rstrip()) or error.msg.startswith("Unterminated string")
    )
    if cut_off:
        place = _placed(where, line, len(line))
        return place, RowProblem("truncated", "breaks off before its object is closed")
    # What is missing at the end of a line is looked for behind its line break.
    place = _placed(where, line, min(error.pos, len(line.rstrip("\r\n"))))
    return place, RowProblem("malformed", f"is no JSON: {error.msg}, at column {place.column}")


def _not_utf8(text: bytes, error: UnicodeDecodeError, where: Where) -> Located:
    before = text[: error.start].decode()
    place = _placed(where, text.decode("utf-8", "replace"), len(before))
    byte = text[error.start]
    return place, RowProblem(
        "malformed", f"is not UTF-8: byte 0x{byte:02x} at column {place.column}"
    )


def _placed(where: Where, line: str, at: int) -> Where:
    """The place of a character of a line, with the text around it."""
    line = line.rstrip("\r\n")
    start, stop = max(0, at - _EXCERPT), at + _EXCERPT
    excerpt = line[start:stop] + ("..." if stop < len(line) else "")
    return where._replace(column=at + 1, excerpt=excerpt, excerpt_column=start + 1)
