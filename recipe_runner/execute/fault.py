"""Builds the diagnostics of a run: they concern a whole file or folder, not a line in it."""

from __future__ import annotations

from pathlib import Path

from recipe_runner.diagnostics import Code, Diagnostic, DiagnosticError, Place


def finding(code: Code, where: str | Path, message: str, help: str = "") -> Diagnostic:
    """A diagnostic about the file or folder `where` as a whole."""
    return Diagnostic(code=code, message=message, place=Place(str(where)), help=help)


def fault(code: Code, where: str | Path, message: str, help: str = "") -> DiagnosticError:
    """The same, as an error to raise."""
    return DiagnosticError(finding(code, where, message, help))
