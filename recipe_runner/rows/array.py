"""A JSON file that is one array of objects becomes lines, without holding it in memory."""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TextIO

from recipe_runner.diagnostics import Code, Diagnostic, DiagnosticError, Place, Position, Span
from recipe_runner.rows.codes.files import MALFORMED_ROW, TRUNCATED_FILE
from recipe_runner.rows.lines import LONGEST_LINE, JsonRows
from recipe_runner.rows.packed import Opener, plain
from recipe_runner.rows.row import Chunk, Located, RowProblem, Where, what_is

_BLOCK = 1 << 20
_SPACE = re.compile(r"[ \t\r\n]*")


def is_array(file: str, opener: Opener = plain) -> bool:
    """True where the first character of the file, white space aside, opens an array."""
    with opener(file) as handle:
        start = handle.read(4096)
    return start.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"["


def unpack(file: str, target: Path, shown: str) -> None:
    """Write each element as `<its line number><tab><its JSON>` on a line of its own.

    Diagnostics name the file `shown`.
    Reports RR402 where an element is no JSON, RR403 where the array does not end:
    after such a place nothing in the file can be told apart.
    """
    with plain(file) as handle, target.open("w", encoding="utf-8") as lines:
        for line, value in _Elements(_text(handle), shown):
            lines.write(f"{line}\t{json.dumps(value, ensure_ascii=False)}\n")


class ArrayRows:
    """The elements of arrays, held in memory; other files among them are read as lines.

    Reading ends after `limit` rows. Reports RR402 and RR403 as `unpack` does.
    """

    def __init__(self, files: Sequence[str], limit: int | None = None) -> None:
        self._rows = list(islice(elements(files), limit))
        self.chunks = [Chunk(0, len(self._rows))] if self._rows else []

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, chunk: Chunk) -> Iterator[Located]:
        return iter(self._rows[chunk.start : chunk.stop])


def elements(files: Sequence[str], opener: Opener = plain) -> Iterator[Located]:
    """The elements of arrays, one after the other; other files among them are read as lines."""
    number = 0
    for file in files:
        for line, value in _values(file, opener):
            number += 1
            where = Where(number, file, line)
            if isinstance(value, Mapping | RowProblem):
                yield where, value
            else:
                kind = what_is(value)
                yield where, RowProblem("not-an-object", f"holds {kind}, not an object")


def _values(file: str, opener: Opener) -> Iterator[tuple[int, object]]:
    if not is_array(file, opener):
        lines = JsonRows([file], max_chunks=0, opener=opener)
        yield from ((where.line or 1, row) for where, row in lines.walk())
        return
    with opener(file) as handle:
        yield from _Elements(_text(handle), file)


def _text(handle: BinaryIO) -> TextIO:
    return io.TextIOWrapper(handle, encoding="utf-8-sig", newline="")


class _Elements:
    """Decodes one element at a time from a window of the text that grows as needed."""

    def __init__(self, source: TextIO, file: str) -> None:
        self.source, self.file = source, file
        self.window, self.at, self.line, self.column = "", 0, 1, 1
        self.ended = False

    def __iter__(self) -> Iterator[tuple[int, object]]:
        self._expect("[")
        if self._next() == "]":
            return
        while True:
            self._next()
            line = self.line
            yield line, self._value()
            if self._next() == "]":
                return
            self._expect(",")

    def _value(self) -> object:
        decoder = json.JSONDecoder()
        while True:
            try:
                value, end = decoder.raw_decode(self.window, self.at)
            except json.JSONDecodeError as error:
                # A value that runs over the window looks broken; with more text it may not be.
                if self._more():
                    continue
                self._fail(error.pos, error.msg)
            except RecursionError:
                self._fail(self.at, "an element nests deeper than can be read")
            except ValueError:
                self._fail(self.at, "an element holds a number of too many digits")
            else:
                # A number at the window's end may go on after it.
                if end < len(self.window) or not self._more():
                    self._move(end)
                    return value

    def _next(self) -> str:
        """Skip white space; returns the character there, which stays."""
        while True:
            match = _SPACE.match(self.window, self.at)
            assert match is not None
            self._move(match.end())
            if self.at < len(self.window):
                return self.window[self.at]
            if not self._more():
                self._fail(self.at, "the array does not end")

    def _expect(self, character: str) -> None:
        if self._next() != character:
            self._fail(self.at, f"expecting {character!r}")
        self._move(self.at + 1)

    def _more(self) -> bool:
        if self.ended:
            return False
        # Twice as much each time: one long element is then decoded a few times only.
        held = len(self.window) - self.at
        if held > LONGEST_LINE:
            self._fail(self.at, f"an element has more than {LONGEST_LINE:,} characters")
        block = self.source.read(max(_BLOCK, held))
        self.ended = not block
        if block:
            self.window, self.at = self.window[self.at :] + block, 0
        return not self.ended

    def _move(self, to: int) -> None:
        breaks = self.window.count("\n", self.at, to)
        if breaks:
            self.line += breaks
            self.column = to - self.window.rfind("\n", self.at, to)
        else:
            self.column += to - self.at
        self.at = to

    def _fail(self, position: int, words: str) -> None:
        self._move(min(position, len(self.window)))
        cut_off = self.at >= len(self.window.rstrip()) or words.startswith("Unterminated string")
        code: Code = TRUNCATED_FILE if cut_off else MALFORMED_ROW
        said = (
            "the file breaks off inside its array" if cut_off else f"the array is no JSON: {words}"
        )
        here = Position(self.line, self.column, 0)
        start = max(self.window.rfind("\n", 0, self.at) + 1, self.at - 40)
        excerpt = self.window[start : self.at + 40].splitlines()
        raise DiagnosticError(
            Diagnostic(
                code,
                f"{said}, at line {self.line}, column {self.column}",
                Place(
                    self.file,
                    Span(here, here),
                    excerpt[0] if excerpt else None,
                    self.column - (self.at - start),
                ),
                "repair the file, or write one object per line (JSON lines), "
                "where single bad rows can be skipped",
            )
        )
