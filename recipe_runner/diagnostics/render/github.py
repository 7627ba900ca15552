"""A report as GitHub workflow commands, which annotate the lines of a pull request.

Source: GitHub's documentation of workflow commands, and the escaping of
`actions/toolkit`, packages/core/src/command.ts.
"""

from __future__ import annotations

from recipe_runner.diagnostics.code import Severity
from recipe_runner.diagnostics.diagnostic import Diagnostic, Place
from recipe_runner.diagnostics.report import Report
from recipe_runner.diagnostics.span import Span

_COMMANDS: dict[Severity, str] = {"error": "error", "warning": "warning", "note": "notice"}


def render(report: Report) -> str:
    """One command per finding, each on its own line."""
    return "".join(f"{_command(diagnostic)}\n" for diagnostic in report)


def _command(diagnostic: Diagnostic) -> str:
    properties = {
        **_location(diagnostic.place),
        "title": f"{diagnostic.code.id} {diagnostic.code.name}",
    }
    shown = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    text = diagnostic.message
    if not _is_file(diagnostic.place):
        text = f"{diagnostic.place.path}: {text}"
    if diagnostic.help:
        text += f"\nhelp: {diagnostic.help}"
    for related in diagnostic.related:
        text += f"\n{related.place.path}:{related.place.span.start.line}: {related.message}"
    return f"::{_COMMANDS[diagnostic.severity]} {shown}::{_data(text)}"


def _is_file(place: Place) -> bool:
    return place.path != "<stdin>" and not place.path.startswith(("--set ", "--machine "))


def _location(place: Place) -> dict[str, str | int]:
    if not _is_file(place):
        return {}
    span = place.span
    return {"file": place.path, "line": span.start.line, **_rest(span)}


def _rest(span: Span) -> dict[str, str | int]:
    # GitHub drops an annotation that has columns and ends in another line.
    if span.end.line != span.start.line:
        return {"endLine": span.end.line}
    end = max(span.end.column, span.start.column + 1)
    return {"col": span.start.column, "endLine": span.end.line, "endColumn": end}


def _data(text: str) -> str:
    # A file's name may hold bytes that are no text; they cannot be printed.
    printable = text.encode("utf-8", "replace").decode("utf-8")
    return printable.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
