"""What holds for every text: no exception, exact places, and values that survive writing."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from recipe_runner.diagnostics import Report, Span
from recipe_runner.diagnostics.render import as_json, github, sarif, text
from recipe_runner.syntax import Document, parse, read
from recipe_runner.syntax.events import Events
from recipe_runner.syntax.scalars import plain_value

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.yaml"))

# Random letters rarely make structure; these pieces do.
PIECES = [
    *"abx019.-+~_ \n\r\t:?,[]{}#&*!|>'\"%@`\\<=é😀\u2028\x85\ufeff",
    "\n  ",
    "\n    ",
    "\n- ",
    ": ",
    "a: ",
    "- ",
    "\r\n",
    "&a ",
    "*a",
    "<<: ",
    "---\n",
    "...\n",
    "!!str ",
    "1e-4",
    ".inf",
    "null",
    "true",
    "\\ud83d",
    "\\x",
    "|\n",
    ">-\n",
    " #",
    "''",
]
yaml_like = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
any_text = st.text(st.characters(), max_size=40)
relaxed = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def recipes_of(exclude_categories: Any, exclude_characters: str = "") -> Any:
    """Mappings of JSON-like values whose strings hold other characters than those."""
    characters = st.characters(
        exclude_categories=exclude_categories, exclude_characters=exclude_characters
    )
    leaves = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(characters, max_size=12)
        | st.sampled_from(AMBIGUOUS)
    )
    keys = st.text(characters, max_size=8) | st.sampled_from(AMBIGUOUS)
    trees = st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=10,
    )
    return st.dictionaries(keys, trees, min_size=1, max_size=4)


# Texts that a careless writer or reader takes for something else.
AMBIGUOUS = [
    *("no", "1e4", "0x1f", "0o7", "1_0", "5.", ".5", "", "~", "null", "True", "12:30", "-1"),
    *("<<", "=", "- a", "a: b", "a #b", ".inf", ".nan", "---", "...", "*a", "&a", "!a", "%a"),
    *("2024-01-01", " a", "a ", "a\nb", "\n", "a\n\n", "\ta", "'", '"', "\\", "\U0001f600"),
]


def check_invariants(source: str) -> None:
    """What holds for any text at all."""
    document, diagnostics = parse(source, "r.yaml")
    assert (document is None) == bool(diagnostics)
    read_text = source.removeprefix("\ufeff")
    for diagnostic in diagnostics:
        for place in (diagnostic.place, *(related.place for related in diagnostic.related)):
            check_span(read_text, place.span)
            assert place.line_text is not None
    report = Report.of(diagnostics)
    for render in (text.render, as_json.render, github.render, sarif.render):
        render(report).encode()
    if document is not None:
        check_document(document)


def check_span(source: str, span: Span) -> None:
    """Lines and columns are counted here anew, without the code under test."""
    assert 0 <= span.start.offset <= span.end.offset <= len(source)
    for position in (span.start, span.end):
        lines = source[: position.offset].replace("\r\n", "\n").replace("\r", "\n").split("\n")
        # Between CR and LF one is still in the line that they end.
        if source[position.offset - 1 : position.offset + 1] != "\r\n":
            assert (position.line, position.column) == (len(lines), len(lines[-1]) + 1)


def check_document(document: Document) -> None:
    """Every node has its span, and the text there is the node."""
    for path, spans in document.spans.items():
        value = document.value
        for part in path:
            value = value[part]
        check_span(document.text, spans.value)
        shown = cut(document.text, spans.value)
        if shown.startswith("*"):
            continue
        assert shown == shown.strip(" \t\r\n") or not isinstance(value, str)
        check_text_is_value(shown, value)
        assert (spans.key is not None) == (bool(path) and isinstance(path[-1], str))
        if spans.key is not None:
            check_span(document.text, spans.key)
            check_text_is_value(cut(document.text, spans.key), path[-1])
    assert set(document.spans) == set(paths(document.value))


def cut(source: str, span: Span) -> str:
    return source[span.start.offset : span.end.offset]


def check_text_is_value(shown: str, value: Any) -> None:
    if shown[:1] in ("|", ">", "*", "'", '"'):
        assert isinstance(value, str) or shown[0] == "*" or isinstance(value, dict | list)
    elif isinstance(value, dict | list):
        assert shown
    elif "\n" not in shown and "\r" not in shown:
        assert plain_value(shown) == value


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path]
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for part, child in items:
        found += paths(child, (*path, part))
    return found


@pytest.mark.parametrize("path", CORPUS, ids=[path.stem for path in CORPUS])
def test_corpus_is_read_without_exception(path: Path) -> None:
    check_invariants(path.read_bytes().decode())
    document, diagnostics = read(path)
    assert (document is None) == bool(diagnostics)


@given(yaml_like)
@relaxed
def test_text_that_looks_like_yaml_never_raises(source: str) -> None:
    check_invariants(source)


@given(any_text)
@relaxed
def test_any_text_never_raises(source: str) -> None:
    check_invariants(source)


@given(st.sampled_from(CORPUS), st.data())
@relaxed
def test_changed_corpus_never_raises(path: Path, data: st.DataObject) -> None:
    source = path.read_bytes().decode()[:400]
    at = data.draw(st.integers(0, len(source)))
    upto = data.draw(st.integers(at, min(len(source), at + 5)))
    check_invariants(source[:at] + data.draw(yaml_like) + source[upto:])


@given(st.binary(max_size=80))
@settings(relaxed, max_examples=60)
def test_any_bytes_never_raise(data: bytes) -> None:
    document, diagnostics = read("-", stdin=io.BytesIO(data))
    assert (document is None) == bool(diagnostics)


# ruamel.yaml writes U+0085, U+2028 and U+2029 as the line breaks that they were in YAML 1.1.
@given(recipes_of(["Cs"], "\x85\u2028\u2029"))
@settings(relaxed, max_examples=40)
def test_what_ruamel_dumps_is_read_back(value: dict[str, Any]) -> None:
    stream = io.StringIO()
    dumper = YAML(typ="safe", pure=True)
    # In braces it writes `{:0: null}`, which it cannot read back itself.
    dumper.default_flow_style = False
    # Its own shorthand for objects that occur twice is no part of the value.
    dumper.representer.ignore_aliases = lambda _: True
    dumper.dump(value, stream)
    assert_reads(stream.getvalue(), value)


@given(recipes_of(["Cs"]), st.sampled_from([None, 2, "\t"]))
@settings(relaxed, max_examples=60)
def test_json_is_read_back(value: dict[str, Any], indent: int | str | None) -> None:
    assert_reads(json.dumps(value, indent=indent), value)


@given(recipes_of(["Cs", "Cc", "Cn"]), st.sampled_from([None, 2]))
@settings(relaxed, max_examples=60)
def test_json_without_escapes_is_read_back(value: dict[str, Any], indent: int | None) -> None:
    assert_reads(json.dumps(value, indent=indent, ensure_ascii=False), value)


@given(st.floats(allow_nan=False, allow_infinity=False))
@relaxed
def test_every_finite_float_is_read_back(value: float) -> None:
    for shown in (repr(value), f"{value:e}", f"{value:.17E}", f"{value:+.20g}"):
        document, diagnostics = parse(f"a: {shown}", "r.yaml")
        assert diagnostics == () or not math.isfinite(float(shown))
        if document is not None:
            read_back = document.value["a"]
            assert float(read_back) == float(shown)
            assert math.copysign(1, read_back) == math.copysign(1, value) or value == 0


def assert_reads(source: str, value: Any) -> None:
    document, diagnostics = parse(source, "r.yaml")
    assert diagnostics == (), source
    assert document is not None
    assert document.value == value
    assert json.dumps(document.value, sort_keys=True) == json.dumps(value, sort_keys=True)
    check_document(document)


@given(yaml_like.filter(lambda source: not any(ch in source for ch in "\t\u2028\u2029\x85\ufeff")))
@relaxed
def test_events_are_those_of_ruamel_itself(source: str) -> None:
    """The faster scanner differs from ruamel.yaml's only in tabs and YAML 1.1's line breaks."""
    found, expected = list(ours(source)), list(stock(source))
    if isinstance(found[-1], str) and isinstance(expected[-1], str):
        # One may look a token further ahead than the other before it meets the fault.
        shared = min(len(found), len(expected)) - 1
        assert found[:shared] == expected[:shared]
        assert found[-1] == expected[-1]
    else:
        assert found == expected


def ours(source: str) -> Any:
    events = Events(source)
    try:
        while (event := events.next()) is not None:
            yield described(event)
    except (MarkedYAMLError, ValueError, OverflowError) as error:
        yield type(error).__name__


def stock(source: str) -> Any:
    try:
        for event in YAML(typ="safe", pure=True).parse(source):
            yield described(event)
    except (MarkedYAMLError, ValueError, OverflowError) as error:
        yield type(error).__name__


def described(event: Any) -> tuple[Any, ...]:
    value = getattr(event, "value", None)
    marks = (event.start_mark.index, event.end_mark.index)
    lines = (event.start_mark.line, event.start_mark.column)
    return type(event).__name__, value, getattr(event, "anchor", None), marks, lines
