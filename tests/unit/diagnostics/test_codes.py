"""Codes and reports."""

from __future__ import annotations

import pytest

from recipe_runner.diagnostics import Code, Diagnostic, Place, Position, Report, Span


@pytest.mark.parametrize(
    ("code_id", "name"),
    [
        ("RR1", "a"),
        ("RR0001", "a"),
        ("XX101", "a"),
        ("RR801", "a"),
        ("RR101", "A"),
        ("RR101", "a_b"),
    ],
)
def test_a_code_has_a_known_family_and_a_kebab_case_name(code_id: str, name: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        Code(code_id, name, "")


def test_a_page_loses_its_indentation_and_keeps_tabs() -> None:
    code = Code(
        "RR101",
        "tab",
        """
        ## What it means

        One sentence. Another
        sentence.

            \tx
        """,
    )
    assert code.page.splitlines()[-1] == "    \tx"
    assert code.summary == "One sentence."


def test_a_report_is_sorted_by_place_and_says_nothing_twice() -> None:
    code = Code("RR101", "tab", "")

    def at(path: str, line: int) -> Diagnostic:
        return Diagnostic(code, "m", Place(path, Span(Position(line, 1, 0), Position(line, 2, 1))))

    report = Report.of([at("b", 1), at("a", 10), at("a", 9), at("b", 1)])
    assert [(d.place.path, d.place.span.start.line) for d in report] == [
        ("a", 9),
        ("a", 10),
        ("b", 1),
    ]
