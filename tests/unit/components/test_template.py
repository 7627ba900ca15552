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
        "{% macro f(x, n) %}{{ f(x ~ x, n - 1) if n else x | length }}{% endmacro %}{{ f(a, 40) }}",
        "{% macro f(x, n) %}{{ f(x + x, n - 1) if n else x | length }}{% endmacro %}{{ f(a, 40) }}",
        "{% macro f(x, n) %}{{ f(x + x, n - 1) if n else 1 }}{% endmacro %}{{ f([a], 40) }}",
        "{% macro f(x, n) %}{{ f(x * x, n - 1) if n else 1 }}{% endmacro %}{{ f(n, 40) }}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ a ~ f(60) }}",
        "{% for i in range(900) %}{% for j in range(900) %}{% endfor %}{% endfor %}{{ a }}",
        "{% set r = range(900) | list %}{% for i in r %}{% for j in r if no %}{% endfor %}{% endfor %}{{ a }}",
        "{% set x %}"
        + "{% for i in range(900) %}" * 2
        + "{{ b }}"
        + "{% endfor %}" * 2
        + "{% endset %}",
        "{{ b" + " | replace('', b)" * 9 + " }}",
        "{{ b" + ".replace('', b)" * 9 + " }}",
        "{{ a" + " | tojson" * 60 + " }}",
        "{% set x = [a] %}" + "{% set x = [x, x] %}" * 60 + "{{ x | tojson }}",
        "{% set x = [b] %}" + "{% set x = x + x %}" * 17 + "{{ x | join(b) }}",
    ],
)
def test_jinja_stays_in_its_sandbox(text: str) -> None:
    with pytest.raises(RowProblem) as caught:
        example(
            {"type": "template", "text": text, "syntax": "jinja"},
            {"a": "x", "n": 3, "b": "y" * 100, "no": False},
        )
    assert caught.value.reason == "template-failed"


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{{ (a ~ n) | upper }}", "X3"),
        ("{{ n + n }}{{ a + a }}{{ n * n }}", "6xx9"),
        ("{{ parts | join(', ') }}", "p, q"),
        ("{{ found | join('-', attribute='k') }}", "1-2"),
        ("{{ found | map(attribute='k') | join }}", "12"),
        ("{{ a | replace('x', 'yy') }}{{ a.replace('x', 'z') }}", "yyz"),
        ("{{ 'xxx' | replace('x', 'y', 2) }}{{ a }}", "yyxx"),
        ("{{ found | tojson }}", '[{"k": 1}, {"k": 2}]'),
        ("{% for p in parts if p != 'q' %}{{ loop.index }}{{ p }}{% endfor %}", "1p"),
        ("{% for p in parts %}{{ p }}{{ ';' if not loop.last }}{% endfor %}", "p;q"),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(a) }}{{ n | string }}", "<x>3"),
        ("{% set x %}{{ a }}!{% endset %}{{ x }}", "x!"),
    ],
)
def test_what_jinja_makes_of_a_row(text: str, made: str) -> None:
    row = {"a": "x", "n": 3, "parts": ["p", "q"], "found": [{"k": 1}, {"k": 2}]}
    found = example({"type": "template", "text": text, "syntax": "jinja"}, row)
    assert found == {"text": made}


def test_every_row_has_all_steps() -> None:
    text = "{% for i in range(200) %}{% for j in range(150) %}{% endfor %}{% endfor %}{{ a }}"
    for word in ("x", "y", "z"):
        made = example({"type": "template", "text": text, "syntax": "jinja"}, {"a": word})
        assert made == {"text": word}
