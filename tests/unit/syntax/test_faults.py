"""Each fault of the syntax has its code and exact place."""

from __future__ import annotations

import pytest

from recipe_runner.syntax import parse

# A case: the text, and `line:column-column code` of each finding; a column range that
# ends in another line is written `column-line:column`.
CASES: dict[str, tuple[str, list[str]]] = {
    "tab-indents": ("a:\n\tb: 1\n", ["2:1-2 RR101"]),
    "tab-behind-dash": ("a:\n- b\n-\tc: d\n", ["3:2-3 RR101"]),
    "tab-in-text": ("a: x\ty\n", ["1:5-6 RR101"]),
    "tab-in-block-text": ("a: |\n x\n\ty\n", ["3:1-2 RR101"]),
    "too-shallow": ("a:\n    b: 1\n  c: 2\n", ["3:3-7 RR102"]),
    "too-deep": ("a: b\n  c: d\n", ["2:3-4 RR102"]),
    "root-indented": ("  a: 1\nb: 2\n", ["2:1-5 RR102"]),
    "list-among-keys": ("a: 1\n- b\n", ["2:1-2 RR102"]),
    "list-behind-key": ("a: - b\n", ["1:4-5 RR102"]),
    "bracket-open-to-the-end": ("a: [1, 2\nb: 3\n", ["1:4-5 RR103"]),
    "brace-open": ("a: {x: 1\n", ["1:4-5 RR103"]),
    "brace-open-over-lines": ("a: {b: c, d: e\nf: g\nh: [1]\n", ["1:4-5 RR103"]),
    "single-quote-open": ("a: 'x\nb: 2\n", ["1:4-5 RR104"]),
    "double-quote-open": ('a: "foo\n---\nb: 1\n', ["1:4-5 RR104"]),
    "text-behind-quotes": ('a: "x" y\n', ["1:8-9 RR105"]),
    "apostrophe": ("a: 'it's'\n", ["1:8-10 RR105"]),
    "block-sign-with-text": ("a: |x\n  y\n", ["1:4-6 RR105"]),
    "lone-comma": ("a: [1,,2]\n", ["1:7-8 RR105"]),
    "repeated-key": ("a: 1\nb: {c: 1, c: 2}\n'a': 2\n", ["2:11-12 RR106", "3:1-4 RR106"]),
    "tag": ("a: !!python/object:x.Y {}\n", ["1:4-23 RR107"]),
    "local-tag": ("a: [!foo b, ! c, !!str 1]\n", ["1:5-9 RR107", "1:13-14 RR107", "1:18-23 RR107"]),
    "tag-and-anchor": ("a: &x !foo b\n", ["1:7-11 RR107"]),
    "root-tag": ("--- !x\na: 1\n", ["1:5-7 RR107"]),
    "broken-tag": ("a: !<x y\n", ["1:4-7 RR107"]),
    "unknown-handle": ("a: !x!y z\n", ["1:4-8 RR107"]),
    "merge": ("a: &x {b: 1}\nc:\n  <<: *x\n", ["3:3-5 RR108"]),
    "recursive-list": ("a: &a [*a]\n", ["1:8-10 RR109"]),
    "recursive-map": ("a: &a\n  b: {c: *a}\n", ["2:10-12 RR109"]),
    "undefined": ("a: *x\nb: *y\n", ["1:4-6 RR111", "2:4-6 RR111"]),
    "glob": ("a: *.jsonl\n", ["1:4-11 RR111"]),
    "two-documents": ("a: 1\n---\nb: 2\n", ["2:1-4 RR112"]),
    "two-documents-after-dots": ("a: 1\n...\n---\nb: 1\n", ["3:1-4 RR112"]),
    "empty": ("", ["1:1-1 RR114"]),
    "blank": (" \n\n", ["1:1-1 RR114"]),
    "comments-only": ("# nothing\n\n# here\n", ["1:1-1 RR114"]),
    "dashes-only": ("---\n", ["1:1-1 RR114"]),
    "root-list": ("- a\n- b\n", ["1:1-2:4 RR115"]),
    "root-scalar": ("model\n", ["1:1-6 RR115"]),
    "root-null": ("null\n", ["1:1-5 RR115"]),
    "keys-not-text": (
        "1: a\nnull: b\ntrue: c\n.5: d\n: e\n",
        ["1:1-2 RR116", "2:1-5 RR116", "3:1-5 RR116", "4:1-3 RR116", "5:1-1 RR116"],
    ),
    "mapping-key": ("{a: 1}: 2\n", ["1:1-2 RR117"]),
    "list-key": ("? [a]\n: b\n", ["1:3-4 RR117"]),
    "template-value": ("a: {{x}}\n", ["1:5-6 RR117"]),
    "alias-of-list-as-key": ("a: &x [1]\n*x : 2\n", ["2:1-2 RR117"]),
    "at-sign": ("a: @b\n", ["1:4-6 RR119"]),
    "backtick": ("a: `b`\n", ["1:4-7 RR119"]),
    "percent": ("a: %b\n", ["1:4-6 RR119"]),
    "star-alone": ("a: * b\n", ["1:4-5 RR119"]),
    "second-colon": ("a: b: c\n", ["1:5-6 RR120"]),
    "two-keys-in-a-line": ("a: 1 b: 2\n", ["1:7-8 RR120"]),
    "no-space-behind-colon": ("recipe:1\nmodel: x\n", ["1:1-9 RR121"]),
    "no-space-below": ("recipe: 1\nmodel:x\n", ["2:1-8 RR121"]),
    "no-colon": ("a: 1\nfoo bar\nb: 2\n", ["2:1-8 RR121"]),
    "yaml-1.1": ("%YAML 1.1\n---\na: 1\n", ["1:1-10 RR122"]),
    "other-directive": ("%FOO bar\n---\na: 1\n", ["1:1-9 RR122"]),
    "endless-version": ("%YAML " + "9" * 5000 + ".1\n---\na: 1\n", ["1:1-6 RR122"]),
    "windows-path": ('a: "C:\\data"\n', ["1:7-9 RR123"]),
    "bad-hex": ('a: "\\xZZ"\n', ["1:5-7 RR123"]),
    "beyond-unicode": ('a: "\\UFFFFFFFF"\n', ["1:5-7 RR123"]),
    "just-beyond-unicode": ('a: "\\U00110000"\n', ["1:5-7 RR123"]),
    "half-a-pair": ('a: "\\ud83d"\n', ["1:4-12 RR124"]),
    "half-a-pair-as-key": ('"\\ude00": 1\n', ["1:1-9 RR124"]),
    "no-comma": ("a: {x: 1 y: 2}\n", ["1:11-12 RR125"]),
    "closing-alone": ("a: 1]]\nb: ]\n", ["2:4-5 RR126"]),
    "closed-by-the-other": ("a: {b: [c}\n", ["1:10-11 RR126"]),
    "nul": ("a: b\0c\n", ["1:5-6 RR008"]),
    "terminal-escape": ("a: 1\nb: \x1b[31m\n", ["2:4-5 RR008"]),
    "lone-surrogate-in-text": ("a: \ud800\n", ["1:4-5 RR008"]),
    "many-at-once": (
        "a: !x 1\na: *y\n<<: {b: .nan}\n3: [\n",
        [
            "1:4-6 RR107",
            "2:1-2 RR106",
            "2:4-6 RR111",
            "3:1-3 RR108",
            "3:9-13 RR118",
            "4:1-2 RR116",
            "4:4-5 RR103",
        ],
    ),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES.keys())
def test_faults_have_their_code_and_place(text: str, expected: list[str]) -> None:
    document, diagnostics = parse(text, "r.yaml")
    assert document is None
    found = []
    for diagnostic in diagnostics:
        start, end = diagnostic.place.span.start, diagnostic.place.span.end
        ending = f"{end.column}" if end.line == start.line else f"{end.line}:{end.column}"
        found.append(f"{start.line}:{start.column}-{ending} {diagnostic.code.id}")
    assert found == expected


def test_repeated_key_names_the_first_line() -> None:
    _, (diagnostic,) = parse("a:\n  b: 1\n  c: 2\n  b: 3\n", "r.yaml")
    assert diagnostic.message == "`a.b` is set again; it is already set in line 2"
    (related,) = diagnostic.related
    assert related.place.span.start.line == 2
    assert related.place.line_text == "  b: 1"


def test_fifty_levels_are_read_and_one_more_is_refused() -> None:
    assert parse("a: " + "[" * 49 + "]" * 49, "r.yaml")[1] == ()
    _, (diagnostic,) = parse("a: " + "[" * 50 + "]" * 50, "r.yaml")
    assert (diagnostic.code.id, diagnostic.place.span.start.column) == ("RR113", 53)


@pytest.mark.parametrize("text", ["[" * 100_000, "a: " * 3, "- " * 30_000, "{a: " * 60_000])
def test_endless_nesting_ends_as_a_diagnostic(text: str) -> None:
    document, diagnostics = parse(text, "r.yaml")
    assert document is None
    assert len(diagnostics) == 1


def test_aliases_cannot_nest_deeper_than_text_can() -> None:
    levels = "".join(f"k{n}: &k{n} [*k{n - 1}]\n" for n in range(1, 60))
    _, (diagnostic,) = parse("k0: &k0 1\n" + levels, "r.yaml")
    assert diagnostic.code.id == "RR113"
    assert diagnostic.place.span.start.line == 51


def test_aliases_are_counted_before_they_are_expanded() -> None:
    # Each line stands for ten times as much: 10 + 11 * 10 + 111 * 10 + 1111 * 9 > 10,000.
    lines = ["a0: &a0 x"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    _, (diagnostic,) = parse("\n".join(lines), "r.yaml")
    assert (diagnostic.code.id, diagnostic.place.span.start.line) == ("RR110", 5)


def test_ten_thousand_aliased_values_are_read() -> None:
    text = "a: &a [" + "x, " * 99 + "]\nb: [" + "*a, " * 100 + "]\n"
    assert parse(text, "r.yaml")[1] == ()


def test_reading_ends_after_a_hundred_faults() -> None:
    _, diagnostics = parse("a: 1\n" * 5000, "r.yaml")
    assert {diagnostic.code.id for diagnostic in diagnostics} == {"RR106"}
    assert len(diagnostics) == 100


def test_a_file_with_too_many_values_is_refused() -> None:
    _, (diagnostic,) = parse("a: [" + "1, " * 20_000 + "]\n", "r.yaml")
    assert diagnostic.code.id == "RR007"
