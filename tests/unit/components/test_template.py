"""Templates of a recipe: which are refused, and what Jinja may do."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from recipe_runner.components.base import create
from recipe_runner.rows import RowProblem
from tests.formats import PACKAGE, Rows, example


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"text": "{a"}, "write {{ and }} for braces"),
        ({"text": "{}"}, "names a column by {column} alone"),
        ({"text": "{a!r}"}, "names a column by {column} alone"),
        ({"text": "{a:>9}"}, "names a column by {column} alone"),
        ({"text": "a"}, "names no column"),
        ({"text": "{{ 1 + 1 }}", "syntax": "jinja"}, "names no column"),
        ({"text": "{% if a %}", "syntax": "jinja"}, "line 1"),
        ({"text": "{{ a | random }}", "syntax": "jinja"}, "No filter named 'random'"),
        ({"text": "{a}", "prompt": "{b}"}, "stands alone"),
        ({"text": "{a}", "render": "chat"}, "needs a `prompt`"),
        ({"completion": "{a}"}, "needs a `text`, or a `prompt`"),
        ({"prompt": "{a}", "system": "b"}, "needs `render: chat`"),
    ],
)
def test_templates_that_cannot_be_used(options: Rows, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        create(PACKAGE, {"type": "template", **options})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "{{ a.__class__ }}",
        "{{ row.__init__ }}",
        "{{ a.format('x') }}",
        "{{ '%999999999d' % n }}",
        "{{ a * 999999999 }}",
        "{{ n ** 999999 }}",
        "{{ a.center(999999999) }}",
        "{% for i in range(999999999) %}{{ a }}{% endfor %}",
        "{% for i in range(900) %}{% for j in range(900) %}{{ a * n }}{{ row.b }}{% endfor %}{% endfor %}",
        "{% include a %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ a }}{{ m() }}",
        "{{ row.clear() }}{{ a }}",
    ],
)
def test_jinja_stays_in_its_sandbox(text: str) -> None:
    with pytest.raises(RowProblem) as caught:
        example(
            {"type": "template", "text": text, "syntax": "jinja"},
            {"a": "x", "n": 3, "b": "y" * 100},
        )
    assert caught.value.reason == "template-failed"
