"""Where keys and values stand."""

from __future__ import annotations

import pytest

from recipe_runner.diagnostics import Span
from recipe_runner.syntax import Document, Path, dotted, parse

RECIPE = """\
# a comment
recipe: 1
model: &m org/model  # the model
data:
  train:
  - {path: "a b", rows: [1, 2]}
  - *m

  eval: [k: v, w]
text: |
  one
  two

# end
adapter:
"""


def document_of(text: str) -> Document:
    document, diagnostics = parse(text, "r.yaml")
    assert document is not None, diagnostics
    return document


def cut(text: str, span: Span | None) -> str | None:
    return None if span is None else text[span.start.offset : span.end.offset]


CASES: list[tuple[Path, str | None, str]] = [
    (("recipe",), "recipe", "1"),
    (("model",), "model", "org/model"),
    (("data", "train"), "train", '- {path: "a b", rows: [1, 2]}\n  - *m'),
    (("data", "train", 0), None, '{path: "a b", rows: [1, 2]}'),
    (("data", "train", 0, "path"), "path", '"a b"'),
    (("data", "train", 0, "rows", 1), None, "2"),
    (("data", "train", 1), None, "*m"),
    (("data", "eval"), "eval", "[k: v, w]"),
    (("data", "eval", 0), None, "k: v"),
    (("data", "eval", 0, "k"), "k", "v"),
    (("text",), "text", "|\n  one\n  two"),
    (("adapter",), "adapter", ""),
]


@pytest.mark.parametrize(
    ("path", "key", "value"), CASES, ids=[dotted(path) for path, _, _ in CASES]
)
def test_the_text_at_a_span_is_the_key_and_the_value(
    path: Path, key: str | None, value: str
) -> None:
    spans = document_of(RECIPE).spans[path]
    assert (cut(RECIPE, spans.key), cut(RECIPE, spans.value)) == (key, value)


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "bom"])
def test_line_breaks_and_byte_order_mark_do_not_move_places(line_break: str, mark: str) -> None:
    document = document_of(mark + RECIPE.replace("\n", line_break))
    for path, line, column in [(("recipe",), 2, 9), (("data", "eval"), 9, 9)]:
        start = document.spans[path].value.start
        assert (start.line, start.column) == (line, column)
    assert document.line(2) == "recipe: 1"
    assert document.value["text"] == "one\ntwo\n"


def test_only_yaml_line_breaks_count() -> None:
    document = document_of("a: 'x\u2028y\x0by'\nb: 2\n".replace("\x0b", "\x85"))
    assert document.spans["b",].value.start.line == 2
    assert document.line(1) == "a: 'x\u2028y\x85y'"


def test_everything_below_an_alias_stands_at_the_alias() -> None:
    text = "a: &x {b: [1]}\nc: *x\n"
    document = document_of(text)
    for path in [("c",), ("c", "b"), ("c", "b", 0)]:
        assert cut(text, document.spans[path].value) == "*x"


def test_place_falls_back_to_the_key_of_the_nearest_parent() -> None:
    place = document_of(RECIPE).place(("data", "train", 0, "columns", "messages"))
    assert (place.path, place.span.start.line, place.span.start.column) == ("r.yaml", 6, 5)
    place = document_of(RECIPE).place(("data", "nothing"))
    assert (place.span.start.line, place.line_text) == (4, "data:")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ((), ""),
        (("data", "train", 0, "path"), "data.train.0.path"),
        (("rank_pattern", "model.layers.0"), 'rank_pattern."model.layers.0"'),
        (("a", "0"), 'a."0"'),
    ],
)
def test_dotted_paths(path: Path, shown: str) -> None:
    assert dotted(path) == shown


@pytest.mark.parametrize("text", ["\u2028", "\u2028b", "\x85", "\xa0x"])
def test_other_white_space_behind_an_anchor_is_text(text: str) -> None:
    document = document_of(f"a: &x {text}")
    assert document.value == {"a": text}
    span = document.spans[("a",)].value
    assert (span.start.offset, span.end.offset) == (6, 6 + len(text))
