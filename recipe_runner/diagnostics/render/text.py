"""A report for people: place, message, the source line with a caret, and what to do.

    recipe.yaml:3:1: RR201 unknown-key: `trainig` is no section of a recipe
      3 | trainig:
        | ^~~~~~~
    help: did you mean `training`?

Recipes come from strangers, so characters that would steer a terminal or reorder the
line are shown, not sent.
"""

from __future__ import annotations

import re
import unicodedata

from recipe_runner.diagnostics.code import Severity
from recipe_runner.diagnostics.diagnostic import Diagnostic, Place
from recipe_runner.diagnostics.report import Report

_COLORS: dict[Severity, str] = {
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "note": "\x1b[1;36m",
}
_BOLD = "\x1b[1m"
_BLUE = "\x1b[34m"
_PLAIN = "\x1b[0m"

_WIDEST = 120
"""Columns of a source line that are shown; a longer one is cut around its caret."""
_BEFORE_CARET = 40
_TAB = 4

_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def render(report: Report, *, color: bool = False) -> str:
    """All findings, a blank line between them; empty for an empty report."""
    return "\n".join(_finding(diagnostic, color) for diagnostic in report)


def summary(report: Report, files: int) -> str:
    """One line for the end, such as `2 errors, 1 warning in 3 files`."""
    counts: list[tuple[Severity, int]] = [
        (severity, report.count(severity)) for severity in ("error", "warning", "note")
    ]
    found = ", ".join(_counted(count, severity) for severity, count in counts if count)
    return f"{found or 'nothing to report'} in {_counted(files, 'file')}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _finding(diagnostic: Diagnostic, color: bool) -> str:
    tint = _COLORS[diagnostic.severity]
    code = diagnostic.code
    severity = "" if diagnostic.severity == "error" else f"{diagnostic.severity} "
    head = _paint(f"{location(diagnostic.place)}:", _BOLD, color)
    name = _paint(f"{code.id} {severity}{code.name}:", tint, color)
    lines = [f"{head} {name} {_one_line(diagnostic.message)}"]
    lines += _snippet(diagnostic.place, tint, color)
    if diagnostic.help:
        first, *rest = _visible(diagnostic.help).split("\n")
        lines.append(f"{_paint('help:', _BOLD, color)} {first}")
        lines += [f"      {line}" for line in rest]
    for related in diagnostic.related:
        lines.append(
            f"{_paint(f'{location(related.place)}:', _BOLD, color)} {_one_line(related.message)}"
        )
        lines += _snippet(related.place, _BLUE, color)
    return "".join(f"{line}\n" for line in lines)


def location(place: Place) -> str:
    """`path:line:column`; for an argument of the command line, the argument alone."""
    path = _one_line(place.path)
    if place.path.startswith(("--set ", "--machine ")):
        return path
    start = place.span.start
    return f"{path}:{start.line}:{start.column}"


def _snippet(place: Place, tint: str, color: bool) -> list[str]:
    if place.line_text is None:
        return []
    line, begin, end = _window(place, place.line_text)
    shown = [_cell(ch) for ch in line]
    left = sum(_width(cell) for cell in shown[:begin])
    under = sum(_width(cell) for cell in shown[begin:end])
    number = f"{place.span.start.line:>3}"
    caret = " " * left + _paint("^" + "~" * (under - 1), tint, color)
    gutter = _paint(f"{number} |", _BLUE, color)
    blank = _paint(f"{' ' * len(number)} |", _BLUE, color)
    return [f"{gutter} {''.join(shown)}".rstrip(), f"{blank} {caret}"]


def _window(place: Place, line: str) -> tuple[str, int, int]:
    """The part of the line to show, and where in it the caret begins and ends."""
    start, stop = place.span.start, place.span.end
    first = place.line_column
    begin = min(start.column - first, len(line))
    end = stop.column - first if stop.line == start.line else len(line.rstrip())
    end = max(min(end, len(line)), begin)
    if len(line) <= _WIDEST and first == 1:
        return line, begin, end
    cut = min(max(0, begin - _BEFORE_CARET), max(0, len(line) - _WIDEST))
    before = "..." if cut or first > 1 else ""
    behind = "..." if cut + _WIDEST < len(line) else ""
    window = before + line[cut : cut + _WIDEST] + behind
    shift = len(before) - cut
    return window, begin + shift, min(end + shift, len(window))


def _cell(ch: str) -> str:
    return " " * _TAB if ch == "\t" else _visible(ch)


def _width(cell: str) -> int:
    """How many terminal columns a character, or the spaces of a tab, take."""
    if len(cell) > 1 or cell.isascii():
        return len(cell)
    if unicodedata.category(cell) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(cell) in "WF" else 1


def _visible(text: str) -> str:
    """`text` with a picture for each control character; line breaks and tabs stay."""
    return _CONTROL.sub(_picture, text)


def _one_line(text: str) -> str:
    return _visible(text.replace("\n", " "))


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"


def _paint(text: str, style: str, color: bool) -> str:
    return f"{style}{text}{_PLAIN}" if color else text
