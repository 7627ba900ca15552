"""Every code of a run is documented."""

from __future__ import annotations

import re

import pytest

from recipe_runner.diagnostics import Code
from recipe_runner.execute.codes import CODES


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.id)
def test_page_has_its_four_parts_and_names_its_code(code: Code) -> None:
    headings = re.findall(r"^## (.+)$", code.page, re.MULTILINE)
    assert headings == ["What it means", "Why it matters", "Example", "Instead"]
    assert f"{code.id} {code.name}" in code.page


def test_ids_and_names_are_used_once_and_in_range() -> None:
    ids = [code.id for code in CODES]
    assert ids == sorted(set(ids))
    assert len({code.name for code in CODES}) == len(CODES)
    assert all("RR601" <= i <= "RR649" or "RR701" <= i <= "RR749" or i == "RR901" for i in ids)
