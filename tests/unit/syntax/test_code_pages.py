"""Each code's page: its example triggers it at the marked line, its advice is clean."""

from __future__ import annotations

import re

import pytest

from recipe_runner.diagnostics import Code
from recipe_runner.syntax import parse
from recipe_runner.syntax.codes import CODES

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
each_code = pytest.mark.parametrize("code", CODES, ids=[code.id for code in CODES])


def blocks(code: Code, heading: str, language: str) -> list[str]:
    section = code.page.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [text for kind, text in BLOCK.findall(section) if kind == language]


def test_ids_and_names_are_unique_and_in_order() -> None:
    ids = [code.id for code in CODES]
    assert ids == sorted(set(ids))
    assert len({code.name for code in CODES}) == len(CODES)


@each_code
def test_page_has_its_sections_in_order(code: Code) -> None:
    headings = re.findall(r"^## (.*)$", code.page, re.MULTILINE)
    assert headings == ["What it means", "Why it matters", "Example", "Instead"]
    assert code.summary.endswith(".")


@each_code
def test_example_triggers_the_code_at_the_marked_line(code: Code) -> None:
    examples = blocks(code, "Example", "yaml")
    assert examples or blocks(code, "Example", "console")
    for text in examples:
        _, diagnostics = parse(text, "r.yaml")
        assert {diagnostic.code.id for diagnostic in diagnostics} == {code.id}
        (marked,) = [n for n, line in enumerate(text.splitlines(), 1) if f"<- {code.id}" in line]
        assert [diagnostic.place.span.start.line for diagnostic in diagnostics] == [marked]


@each_code
def test_advice_is_clean(code: Code) -> None:
    for text in blocks(code, "Instead", "yaml"):
        document, diagnostics = parse(text, "r.yaml")
        assert diagnostics == ()
        assert document is not None
        assert {"recipe", "model", "data", "algorithm", "output_dir"} <= document.value.keys()
