"""A report as SARIF 2.1.0, the form that code scanning services read.

Source: OASIS, Static Analysis Results Interchange Format 2.1.0.
"""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from recipe_runner import __version__
from recipe_runner.diagnostics.code import Code
from recipe_runner.diagnostics.diagnostic import Diagnostic, Place
from recipe_runner.diagnostics.report import Report

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def render(report: Report) -> str:
    """The report as one SARIF log with one run; rules are the codes that occur in it."""
    codes = {diagnostic.code.id: diagnostic.code for diagnostic in report}
    ids = sorted(codes)
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "recipe-run",
                        "version": __version__,
                        "rules": [_rule(codes[code_id]) for code_id in ids],
                    }
                },
                # Spans count characters; SARIF's own default is UTF-16 code units.
                "columnKind": "unicodeCodePoints",
                "results": [_result(d, ids.index(d.code.id)) for d in report],
            }
        ],
    }
    return json.dumps(log, indent=2) + "\n"


def _rule(code: Code) -> dict[str, Any]:
    return {
        "id": code.id,
        "name": "".join(part.capitalize() for part in code.name.split("-")),
        "shortDescription": {"text": code.summary},
        "help": {"text": code.page, "markdown": code.page},
        "defaultConfiguration": {"level": code.severity},
        "properties": {"tags": [code.family]},
    }


def _result(diagnostic: Diagnostic, rule_index: int) -> dict[str, Any]:
    text = diagnostic.message
    if diagnostic.help:
        text += f"\nhelp: {diagnostic.help}"
    result: dict[str, Any] = {
        "ruleId": diagnostic.code.id,
        "ruleIndex": rule_index,
        "level": diagnostic.severity,
        "message": {"text": text},
        "locations": [_location(diagnostic.place)],
    }
    if diagnostic.related:
        result["relatedLocations"] = [
            {"id": number, "message": {"text": related.message}, **_location(related.place)}
            for number, related in enumerate(diagnostic.related, start=1)
        ]
    return result


def _location(place: Place) -> dict[str, Any]:
    # Standard input and arguments of the command line have no address.
    if place.path == "<stdin>" or place.path.startswith(("--set ", "--machine ")):
        return {"logicalLocations": [{"fullyQualifiedName": place.path}]}
    start, end = place.span.start, place.span.end
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(place.path)},
            "region": {
                "startLine": start.line,
                "startColumn": start.column,
                "endLine": end.line,
                "endColumn": end.column,
            },
        }
    }


def _uri(path: str) -> str:
    """A relative reference where the path is relative, a `file:` URI otherwise."""
    pure = PurePath(path)
    if pure.is_absolute():
        return pure.as_uri()
    # A colon in the first part would read as a scheme.
    return quote(pure.as_posix(), safe="/", errors="surrogateescape")
