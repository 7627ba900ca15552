"""What all commands share about the screen: color, width, and how findings are printed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import IO

from recipe_runner.diagnostics import Diagnostic, Report
from recipe_runner.diagnostics.render import text

WIDEST = 120
"""Columns after which lines are hard to read, however wide the terminal is."""


def wants_color(stream: IO[str]) -> bool:
    """True on a terminal that shows color, unless NO_COLOR is set (https://no-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Columns to fill: those of the terminal, 80 where there is none (or what COLUMNS says)."""
    return min(shutil.get_terminal_size((80, 24)).columns, WIDEST)


def print_report(report: Report, stream: IO[str]) -> None:
    """Print findings as text, followed by a blank line where there are any."""
    if len(report):
        stream.write(text.render(report, color=wants_color(stream)) + "\n")


def print_errors(diagnostics: Iterable[Diagnostic]) -> None:
    """Print findings to standard error; files below this folder as a person here types them."""
    sys.stdout.flush()
    shown = Report.of(map(seen_from_here, diagnostics))
    sys.stderr.write(text.render(shown, color=wants_color(sys.stderr)))
    sys.stderr.flush()


def seen_from_here(diagnostic: Diagnostic) -> Diagnostic:
    """The finding with the path of a file below this folder as a person here types it."""
    file = Path(diagnostic.place.path)
    if not file.is_absolute() or not file.is_relative_to(Path.cwd()):
        return diagnostic
    shown = str(file.relative_to(Path.cwd()))
    return replace(diagnostic, place=replace(diagnostic.place, path=shown))


def visible(text: str) -> str:
    """`text` without what would steer a terminal: recipes and models write what they like."""
    return "".join(ch if ch.isprintable() else "\ufffd" for ch in text)
