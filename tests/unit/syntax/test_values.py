"""What unquoted and quoted scalars mean: the core schema of YAML 1.2."""

from __future__ import annotations

from typing import Any

import pytest

from recipe_runner.syntax import parse

CASES: list[tuple[str, Any]] = [
    ("1e-4", 0.0001),
    ("1E-4", 0.0001),
    ("1.0e-4", 0.0001),
    ("+1e+4", 10000.0),
    ("5.", 5.0),
    (".5", 0.5),
    ("-.5e1", -5.0),
    ("+3", 3),
    ("-0", 0),
    ("012", 12),
    ("0x1f", 31),
    ("0o17", 15),
    ("-0x1f", "-0x1f"),
    ("0X1F", "0X1F"),
    ("0b11", "0b11"),
    ("1_000", "1_000"),
    ("1e", "1e"),
    ("e4", "e4"),
    (".", "."),
    ("-", [None]),
    ("1.2.3", "1.2.3"),
    ("12:30", "12:30"),
    ("2024-01-01", "2024-01-01"),
    ("no", "no"),
    ("yes", "yes"),
    ("on", "on"),
    ("Off", "Off"),
    ("true", True),
    ("True", True),
    ("TRUE", True),
    ("tRUE", "tRUE"),
    ("false", False),
    ("FALSE", False),
    ("null", None),
    ("Null", None),
    ("~", None),
    ("", None),
    ("nan", "nan"),
    ("inf", "inf"),
    ("'1e-4'", "1e-4"),
    ('"1e-4"', "1e-4"),
    ('"true"', "true"),
    ("''", ""),
    ("'it''s'", "it's"),
    (r'"\t\x41\u00e9\U0001F600"', "\tAé😀"),
    (r'"\ud83d\ude00"', "😀"),
    ("a#b", "a#b"),
    ("a # b", "a"),
    ("http://x.y/z?a=b", "http://x.y/z?a=b"),
    ("a\u2028b\x85c", "a\u2028b\x85c"),
    ("'a\u2028b\x85c'", "a\u2028b\x85c"),
    ("two words", "two words"),
    ("over\n  two lines", "over two lines"),
    ("|\n  kept\n   lines\n", "kept\n lines\n"),
    (">-\n  joined\n  lines\n", "joined lines"),
    ("|2\n    two deeper\n", "  two deeper\n"),
    ("[1, a, [2.5, null], {b: no}]", [1, "a", [2.5, None], {"b": "no"}]),
    ("{a: , b}", {"a": None, "b": None}),
    ('{"a":1,"b":[]}', {"a": 1, "b": []}),
    ("[a: 1, b]", [{"a": 1}, "b"]),
    ("\n- 1\n- - 2\n  - 3", [1, [2, 3]]),
    ("\n  ? a\n  : 1", {"a": 1}),
]


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[repr(text) for text, _ in CASES])
def test_scalars_have_their_yaml_1_2_value(text: str, expected: Any) -> None:
    document, diagnostics = parse(f"key: {text}\n" if text != "-" else "key:\n-\n", "r.yaml")
    assert diagnostics == ()
    assert document is not None
    value = document.value["key"]
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    "text", [".inf", "-.Inf", "+.INF", ".nan", ".NaN", "1e999", "-1e999", "9" * 310]
)
def test_numbers_without_a_finite_value_are_refused(text: str) -> None:
    document, (diagnostic,) = parse(f"a:\n  b: [1, {text}]\n", "r.yaml")
    assert document is None
    assert diagnostic.code.id == "RR118"
    assert diagnostic.message.startswith("`a.b.1` is ")
    assert diagnostic.place.span.start.column == 10


def test_the_largest_float_is_a_number() -> None:
    document, _ = parse("a: 1.7976931348623157e308\nb: " + "9" * 308, "r.yaml")
    assert document is not None
    assert document.value == {"a": 1.7976931348623157e308, "b": 10**308 - 1}


def test_aliases_stand_for_copies_of_scalars_and_mappings() -> None:
    document, _ = parse("a: &x {b: [1]}\nc: *x\nd: &y 2\ne: *y\n", "r.yaml")
    assert document is not None
    assert document.value == {"a": {"b": [1]}, "c": {"b": [1]}, "d": 2, "e": 2}
    assert document.value["a"] is not document.value["c"]


def test_the_last_of_two_equal_anchors_counts() -> None:
    document, _ = parse("a: &x 1\nb: &x 2\nc: *x\n", "r.yaml")
    assert document is not None
    assert document.value["c"] == 2
