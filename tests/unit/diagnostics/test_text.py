"""The report for people."""

from __future__ import annotations

import pytest

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
from recipe_runner.diagnostics.render.text import render, summary

PAGE = "## What it means\n\nA test."
CODES: dict[Severity, Code] = {
    "error": Code("RR201", "unknown-key", PAGE),
    "warning": Code("RR350", "odd-value", PAGE, severity="warning"),
    "note": Code("RR351", "raw-argument", PAGE, severity="note"),
}


def span(line: int, start: int, end: int, end_line: int | None = None) -> Span:
    return Span(Position(line, start, 0), Position(end_line or line, end, 0))


def found(place: Place, severity: Severity = "error", help_: str = "") -> Diagnostic:
    return Diagnostic(CODES[severity], "`trainig` is no key", place, help_)


def test_an_error_shows_place_code_line_caret_and_help() -> None:
    place = Place("r.yaml", span(3, 1, 8), "trainig: 1")
    report = Report.of([found(place, help_="did you mean `training`?\nor `tracking`?")])
    assert render(report) == (
        "r.yaml:3:1: RR201 unknown-key: `trainig` is no key\n"
        "  3 | trainig: 1\n"
        "    | ^~~~~~~\n"
        "help: did you mean `training`?\n"
        "      or `tracking`?\n"
    )


@pytest.mark.parametrize(
    ("severity", "head"),
    [
        ("error", "r.yaml:1:1: RR201 unknown-key: "),
        ("warning", "r.yaml:1:1: RR350 warning odd-value: "),
        ("note", "r.yaml:1:1: RR351 note raw-argument: "),
    ],
)
def test_only_warnings_and_notes_name_their_severity(severity: Severity, head: str) -> None:
    assert render(Report.of([found(Place("r.yaml"), severity)])).startswith(head)


CARETS: dict[str, tuple[str, Span, str, str]] = {
    "middle": ("a: bc d", span(1, 4, 6), "a: bc d", "   ^~"),
    "one-character": ("a: b", span(1, 4, 5), "a: b", "   ^"),
    "empty-at-the-end": ("a:", span(1, 3, 3), "a:", "  ^"),
    "over-several-lines": ("a: [1, ", span(1, 4, 2, end_line=3), "a: [1,", "   ^~~"),
    "beyond-the-line": ("a: b", span(1, 4, 99), "a: b", "   ^"),
    "tab": ("\ta: b", span(1, 5, 6), "    a: b", "       ^"),
    "tab-marked": ("\ta", span(1, 1, 2), "    a", "^~~~"),
    "wide": ("模型: 数据", span(1, 5, 7), "模型: 数据", "      ^~~~"),
    "combining": ("e\u0301: x", span(1, 5, 6), "e\u0301: x", "   ^"),
    "terminal-escape": ("a: \x1b[31m\x07", span(1, 4, 5), "a: \u241b[31m\u2407", "   ^"),
    "bidi-override": ("a: \u202ex", span(1, 5, 6), "a: \ufffdx", "    ^"),
    "surrogate": ("a: \ud800x", span(1, 5, 6), "a: \ufffdx", "    ^"),
}


@pytest.mark.parametrize(("line", "at", "shown", "caret"), CARETS.values(), ids=CARETS.keys())
def test_the_caret_stands_under_the_span(line: str, at: Span, shown: str, caret: str) -> None:
    lines = render(Report.of([found(Place("r.yaml", at, line))])).split("\n")
    assert lines[1:3] == [f"  1 | {shown}", f"    | {caret}"]


@pytest.mark.parametrize("column", [1, 100, 500, 995])
def test_a_long_line_is_cut_around_its_caret(column: int) -> None:
    line = "".join(chr(ord("a") + n % 26) for n in range(1000))
    place = Place("r.yaml", span(1, column, column + 3), line)
    _, shown, caret, _ = render(Report.of([found(place)])).split("\n")
    assert len(shown) < 140
    assert shown[caret.index("^") :][:3] == line[column - 1 : column + 2]
    assert caret.endswith("^~~")


def test_related_places_have_their_own_line() -> None:
    related = Related("first set here", Place("r.yaml", span(1, 1, 2), "a: 1"))
    diagnostic = Diagnostic(
        CODES["error"], "again", Place("r.yaml", span(2, 1, 2), "a: 2"), related=(related,)
    )
    assert render(Report.of([diagnostic])).splitlines()[3:] == [
        "r.yaml:1:1: first set here",
        "  1 | a: 1",
        "    | ^",
    ]


def test_an_argument_of_the_command_line_has_no_line_number() -> None:
    assert render(Report.of([found(Place("--set a.b=1"))])).startswith("--set a.b=1: RR201 ")


def test_a_message_stays_on_its_line_and_steers_no_terminal() -> None:
    diagnostic = Diagnostic(CODES["error"], "`a\nb\x1b[2J`", Place("r\n.yaml"))
    assert render(Report.of([diagnostic])) == "r .yaml:1:1: RR201 unknown-key: `a b\u241b[2J`\n"


def test_color_only_adds_styles() -> None:
    report = Report.of([found(Place("r.yaml", span(1, 1, 2), "a: 1"), help_="help")])
    colored = render(report, color=True)
    assert "\x1b[1;31mRR201 unknown-key:\x1b[0m" in colored
    for style in ("\x1b[1;31m", "\x1b[1m", "\x1b[34m", "\x1b[0m"):
        colored = colored.replace(style, "")
    assert colored == render(report)


@pytest.mark.parametrize(
    ("severities", "files", "line"),
    [
        ([], 1, "nothing to report in 1 file"),
        (["error"], 1, "1 error in 1 file"),
        (["error", "error", "warning"], 3, "2 errors, 1 warning in 3 files"),
        (["note", "note"], 2, "2 notes in 2 files"),
    ],
)
def test_summary_counts(severities: list[Severity], files: int, line: str) -> None:
    places = [Place("r.yaml", span(n + 1, 1, 1)) for n in range(len(severities))]
    report = Report.of(found(*pair) for pair in zip(places, severities, strict=True))
    assert summary(report, files) == line


def test_an_empty_report_is_empty() -> None:
    assert render(Report()) == ""
