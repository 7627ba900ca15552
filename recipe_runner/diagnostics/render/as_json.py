"""A report for programs: version 1 of one JSON object.

The shapes below are the contract. Lines and columns count from 1, columns and offsets
in characters; ends are exclusive. Keys are always there and always in this order, and
the same report gives the same bytes.
"""

from __future__ import annotations

import json
from typing import Literal, TypedDict

from recipe_runner import __version__
from recipe_runner.diagnostics.code import Severity
from recipe_runner.diagnostics.diagnostic import Diagnostic, Place
from recipe_runner.diagnostics.report import Report
from recipe_runner.diagnostics.span import Position


class PositionJson(TypedDict):
    """A character of a file."""

    line: int
    column: int
    offset: int


class PlaceJson(TypedDict):
    """`path` is as given: a file's path, `<stdin>`, or `--set KEY=VALUE`."""

    path: str
    start: PositionJson
    end: PositionJson


class RelatedJson(TypedDict):
    """A second place that belongs to a finding."""

    message: str
    place: PlaceJson


class DiagnosticJson(TypedDict):
    """One finding. `help` is empty where there is no advice."""

    code: str
    name: str
    severity: Severity
    message: str
    help: str
    place: PlaceJson
    related: list[RelatedJson]


class ToolJson(TypedDict):
    """The program that wrote the report."""

    name: Literal["recipe-run"]
    version: str


class CountsJson(TypedDict):
    """How many findings have each severity."""

    error: int
    warning: int
    note: int


class ReportJson(TypedDict):
    """The whole report."""

    version: Literal[1]
    tool: ToolJson
    diagnostics: list[DiagnosticJson]
    counts: CountsJson


def render(report: Report) -> str:
    """The report as indented JSON with a line break at the end."""
    return json.dumps(as_json(report), indent=2) + "\n"


def as_json(report: Report) -> ReportJson:
    """The report as plain dicts and lists."""
    return {
        "version": 1,
        "tool": {"name": "recipe-run", "version": __version__},
        "diagnostics": [_diagnostic(diagnostic) for diagnostic in report],
        "counts": {
            "error": report.count("error"),
            "warning": report.count("warning"),
            "note": report.count("note"),
        },
    }


def _diagnostic(diagnostic: Diagnostic) -> DiagnosticJson:
    return {
        "code": diagnostic.code.id,
        "name": diagnostic.code.name,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "help": diagnostic.help,
        "place": _place(diagnostic.place),
        "related": [
            {"message": related.message, "place": _place(related.place)}
            for related in diagnostic.related
        ],
    }


def _place(place: Place) -> PlaceJson:
    return {
        "path": place.path,
        "start": _position(place.span.start),
        "end": _position(place.span.end),
    }


def _position(position: Position) -> PositionJson:
    return {"line": position.line, "column": position.column, "offset": position.offset}
