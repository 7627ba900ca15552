"""All codes together: unique, complete, and each with a page."""

from __future__ import annotations

import re

import pytest

from recipe_runner.catalogue import catalogue, gather
from recipe_runner.diagnostics import Code

HEADINGS = ["What it means", "Why it matters", "Example", "Instead"]


def test_codes_are_in_order() -> None:
    assert list(catalogue()) == sorted(catalogue())


@pytest.mark.parametrize("code", catalogue().values(), ids=lambda code: str(code.id))
def test_a_page_has_its_headings(code: Code) -> None:
    assert re.findall(r"^## (.*)$", code.page, re.MULTILINE) == HEADINGS


def test_a_code_that_is_given_twice_is_refused() -> None:
    one, other = Code("RR001", "one", "page"), Code("RR001", "other", "page")
    with pytest.raises(ValueError, match="RR001 is both one and other"):
        gather([one, other])
