"""Places in a text.

Lines and columns are counted from 1, columns in characters (not bytes); a tab
is one column. An end is exclusive: it names the character after the last one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Position:
    """A character of a text: `line` and `column` from 1, `offset` from 0."""

    line: int
    column: int
    offset: int


@dataclass(frozen=True, order=True)
class Span:
    """The characters from `start` up to, not including, `end`."""

    start: Position
    end: Position


START = Position(line=1, column=1, offset=0)
"""The first character of a text; the place of a diagnostic that concerns the whole file."""

WHOLE_FILE = Span(START, START)
