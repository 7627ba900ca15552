"""A diagnostic: one finding, told to a user.

Exceptions are for us, diagnostics are for users. A diagnostic knows where it is,
what is wrong in the recipe's own words, and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from recipe_runner.diagnostics.code import Code, Severity
from recipe_runner.diagnostics.span import WHOLE_FILE, Span


@dataclass(frozen=True)
class Place:
    """A span in a file. `path` is shown as given: a file's path, `<stdin>`, or `--set KEY`.

    `line_text` is the source line at the span's start, for the caret; None where the
    place has no text worth showing (a directory, a binary file). Of a line too long to
    keep it is a part, which begins at column `line_column`.
    """

    path: str
    span: Span = WHOLE_FILE
    line_text: str | None = None
    line_column: int = 1


@dataclass(frozen=True)
class Related:
    """A second place that belongs to a finding, such as the first of two equal keys."""

    message: str
    place: Place


@dataclass(frozen=True)
class Diagnostic:
    """One finding at one place.

    `message` is one sentence without a full stop; `help` says what to do, one line
    or several; `severity` is the code's own.
    """

    code: Code
    message: str
    place: Place
    help: str = ""
    related: tuple[Related, ...] = ()

    @property
    def severity(self) -> Severity:
        return self.code.severity

    @property
    def sort_key(self) -> tuple[str, int, int, str, str]:
        """Files in order of their path, findings in order of their place."""
        start = self.place.span.start
        return (self.place.path, start.line, start.column, self.code.id, self.message)


class DiagnosticError(Exception):
    """Carries diagnostics out of a deep call to the one place that prints them."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("; ".join(f"{d.code.id}: {d.message}" for d in diagnostics))
        self.diagnostics = diagnostics

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by the text that they were made of; this one has none.
        return type(self), self.diagnostics, self.__dict__
