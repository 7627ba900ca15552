"""The report for programs: JSON, GitHub annotations, SARIF."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from recipe_runner import __version__
from recipe_runner.diagnostics import (
    Code,
    Diagnostic,
    Place,
    Position,
    Related,
    Report,
    Severity,
    Span,
)
from recipe_runner.diagnostics.render import as_json, github, sarif

PAGE = "## What it means\n\nA test. More.\n\n## Why it matters\n\nIt does."
ERROR = Code("RR201", "unknown-key", PAGE)
WARNING = Code("RR350", "odd-value", PAGE, severity="warning")
NOTE = Code("RR351", "raw-argument", PAGE, severity="note")
AT = Span(Position(3, 5, 20), Position(3, 9, 24))
FIRST = Related("first set here", Place("a b.yaml", Span(Position(1, 1, 0), Position(1, 2, 1))))

REPORT = Report.of(
    [
        Diagnostic(ERROR, "50% of a:b, c\nd", Place("a b.yaml", AT, "x"), "fix\r\nit", (FIRST,)),
        Diagnostic(WARNING, "odd", Place("dir/x:y,z.yaml", Span(AT.start, Position(5, 1, 40)))),
        Diagnostic(NOTE, "raw", Place("--set a.b=1")),
        Diagnostic(ERROR, "é😀\ud800", Place("/abs/\udcff.yaml")),
        Diagnostic(ERROR, "in", Place("<stdin>", AT)),
    ]
)


def test_json_holds_every_field() -> None:
    report = json.loads(as_json.render(REPORT))
    assert list(report) == ["version", "tool", "diagnostics", "counts"]
    assert report["version"] == 1
    assert report["tool"] == {"name": "recipe-run", "version": __version__}
    assert report["counts"] == {"error": 3, "warning": 1, "note": 1}
    assert [d["code"] for d in report["diagnostics"]] == [
        "RR351",
        "RR201",
        "RR201",
        "RR201",
        "RR350",
    ]
    assert report["diagnostics"][3] == {
        "code": "RR201",
        "name": "unknown-key",
        "severity": "error",
        "message": "50% of a:b, c\nd",
        "help": "fix\r\nit",
        "place": {
            "path": "a b.yaml",
            "start": {"line": 3, "column": 5, "offset": 20},
            "end": {"line": 3, "column": 9, "offset": 24},
        },
        "related": [
            {
                "message": "first set here",
                "place": {
                    "path": "a b.yaml",
                    "start": {"line": 1, "column": 1, "offset": 0},
                    "end": {"line": 1, "column": 2, "offset": 1},
                },
            }
        ],
    }


@pytest.mark.parametrize("render", [as_json.render, github.render, sarif.render])
def test_every_form_is_printable_and_the_same_each_time(render: Any) -> None:
    assert render(REPORT).encode("utf-8") == render(Report.of(reversed(list(REPORT)))).encode()


def test_github_commands_are_escaped() -> None:
    lines = github.render(REPORT).splitlines()
    assert len(lines) == len(REPORT)
    assert lines[0] == "::notice title=RR351 raw-argument::--set a.b=1: raw"
    assert lines[2] == "::error title=RR201 unknown-key::<stdin>: in"
    assert lines[3] == (
        "::error file=a b.yaml,line=3,col=5,endLine=3,endColumn=9,title=RR201 unknown-key::"
        "50%25 of a:b, c%0Ad%0Ahelp: fix%0D%0Ait%0Aa b.yaml:1: first set here"
    )


def test_github_columns_are_left_out_where_a_finding_spans_lines() -> None:
    assert github.render(REPORT).splitlines()[4] == (
        "::warning file=dir/x%3Ay%2Cz.yaml,line=3,endLine=5,title=RR350 odd-value::odd"
    )


# The parts of the SARIF 2.1.0 schema that a log of ours uses, without room for more.
def closed(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
COUNT = {"type": "integer", "minimum": 1}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
REGION = closed(dict.fromkeys(("startLine", "startColumn", "endLine", "endColumn"), COUNT))
ARTIFACT = closed({"uri": {**TEXT, "pattern": r"^(file:///)?[A-Za-z0-9._~%/-]+$"}})
LOCATION_KINDS = {
    "physicalLocation": closed({"artifactLocation": ARTIFACT, "region": REGION}),
    "logicalLocations": {"type": "array", "items": closed({"fullyQualifiedName": TEXT})},
}
RELATED = {"id": COUNT, "message": closed({"text": TEXT})}
RULE = closed(
    {
        "id": TEXT,
        "name": TEXT,
        "shortDescription": closed({"text": TEXT}),
        "help": closed({"text": TEXT, "markdown": TEXT}),
        "defaultConfiguration": closed({"level": LEVEL}),
        "properties": {"type": "object"},
    }
)
RESULT = closed(
    {
        "ruleId": TEXT,
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVEL,
        "message": closed({"text": TEXT}),
        "locations": {"type": "array", "minItems": 1, "items": closed({}, LOCATION_KINDS)},
    },
    {"relatedLocations": {"type": "array", "items": closed(RELATED, LOCATION_KINDS)}},
)
DRIVER = closed({"name": TEXT, "version": TEXT, "rules": {"type": "array", "items": RULE}})
RUN = closed(
    {
        "tool": closed({"driver": DRIVER}),
        "columnKind": {"const": "unicodeCodePoints"},
        "results": {"type": "array", "items": RESULT},
    }
)
LOG = closed(
    {"$schema": TEXT, "version": {"const": "2.1.0"}, "runs": {"type": "array", "items": RUN}}
)


@pytest.mark.parametrize("report", [REPORT, Report()], ids=["full", "empty"])
def test_sarif_has_the_shape_of_its_schema(report: Report) -> None:
    jsonschema.validate(json.loads(sarif.render(report)), LOG)


def test_sarif_results_point_at_their_rules_and_places() -> None:
    (run,) = json.loads(sarif.render(REPORT))["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["RR201", "RR350", "RR351"]
    assert rules[0]["name"] == "UnknownKey"
    assert rules[0]["shortDescription"]["text"] == "A test."
    assert rules[0]["help"]["markdown"] == PAGE
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    (location,) = run["results"][3]["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "a%20b.yaml"},
        "region": {"startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 9},
    }
    (related,) = run["results"][3]["relatedLocations"]
    assert (related["id"], related["message"]["text"]) == (1, "first set here")


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("recipes/a.yaml", "recipes/a.yaml"),
        ("../a.yaml", "../a.yaml"),
        ("c:d.yaml", "c%3Ad.yaml"),
        ("é#1.yaml", "%C3%A9%231.yaml"),
        ("/abs/a b.yaml", "file:///abs/a%20b.yaml"),
        ("/abs/\udcff", "file:///abs/%FF"),
        ("\udcff", "%FF"),
    ],
)
def test_sarif_addresses_are_uris(path: str, uri: str) -> None:
    log = json.loads(sarif.render(Report.of([Diagnostic(ERROR, "x", Place(path))])))
    (location,) = log["runs"][0]["results"][0]["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == uri


@pytest.mark.parametrize(
    ("code", "level"), [(ERROR, "error"), (WARNING, "warning"), (NOTE, "note")]
)
def test_sarif_levels_are_the_severities(code: Code, level: Severity) -> None:
    log = json.loads(sarif.render(Report.of([Diagnostic(code, "x", Place("a"))])))
    (run,) = log["runs"]
    assert run["results"][0]["level"] == level
    assert run["tool"]["driver"]["rules"][0]["defaultConfiguration"] == {"level": level}
