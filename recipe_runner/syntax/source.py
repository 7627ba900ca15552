"""A text and its lines: offsets become positions, positions become shown lines.

A line ends at LF, CR or CR LF, as in YAML 1.2. `str.splitlines` also ends lines at
form feeds and at U+2028, which would shift every place below such a character.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property

from recipe_runner.diagnostics import Place, Position, Span

_LINE_BREAK = re.compile(r"\r\n|\r|\n")


class Source:
    """One text under one shown path."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text
        self.path = path

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in _LINE_BREAK.finditer(self.text))]

    def position(self, offset: int) -> Position:
        """The position of the character at `offset`, which may be the end of the text."""
        offset = min(max(offset, 0), len(self.text))
        line = bisect_right(self._starts, offset)
        return Position(line, offset - self._starts[line - 1] + 1, offset)

    def span(self, start: int, end: int) -> Span:
        """The characters from offset `start` up to, not including, `end`."""
        return Span(self.position(start), self.position(max(start, end)))

    def line(self, number: int) -> str | None:
        """The text of line `number`, counted from 1, without its line break."""
        if not 0 < number <= len(self._starts):
            return None
        end = self._starts[number] if number < len(self._starts) else len(self.text)
        return self.text[self._starts[number - 1] : end].rstrip("\r\n")

    def place(self, start: int, end: int) -> Place:
        """The span from `start` to `end` with the line it starts on."""
        span = self.span(start, end)
        return Place(self.path, span, self.line(span.start.line))
