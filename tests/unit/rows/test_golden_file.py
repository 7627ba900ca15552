"""Golden files are read back as they were written, and changes of what rows depend on are told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipe_runner.rows.golden import (
    Golden,
    GoldenFormatError,
    GoldenRow,
    Run,
    changes,
    content_of,
    decode,
    encode,
    golden_path,
)

TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
RUNS = st.lists(st.builds(Run, TEXTS, st.sampled_from([0.0, 1.0, 0.5])), max_size=5)
ROWS = st.builds(
    GoldenRow,
    source=st.just("data.train[0]"),
    path=TEXTS,
    row=st.integers(1, 10**6),
    content=st.just("00"),
    count=st.integers(0, 100),
    tokens=st.just("11"),
    text=RUNS.map(tuple),
    ids=st.just("1 2 3"),
)


def characters(row: GoldenRow) -> list[tuple[str, float]]:
    return [(character, run.weight) for run in row.text for character in run.text]


@given(rows=st.lists(ROWS, max_size=3))
def test_a_file_is_read_back(rows: list[GoldenRow]) -> None:
    golden = Golden(tuple(rows), {"data.max_length": 5}, {"tokenizers": "1"})
    again = decode(encode(golden))
    assert (again.depends_on, again.made_with) == (golden.depends_on, golden.made_with)
    for here, there in zip(again.rows, rows, strict=True):
        # Texts are written line by line.
        assert characters(here) == characters(there)
        assert {**vars(here), "text": ()} == {**vars(there), "text": ()}


def test_a_review_sees_one_line_of_text_on_one_line() -> None:
    row = GoldenRow(
        "data.train[0]", "a.jsonl", 1, "00", text=(Run("one\ntwo\n"), Run("three", 1.0))
    )
    lines = encode(Golden((row,), {})).splitlines()
    at = lines.index('    "one\\n",')
    assert lines[at + 1 : at + 3] == ['    "two\\n",', '    {"trained": "three"}']


def test_a_row_with_a_problem_has_nothing_else() -> None:
    row = GoldenRow("data.train[0]", "a.jsonl", 1, "00", problem="no-assistant-turn")
    text = encode(Golden((row,), {}))
    assert decode(text).rows == (row,)
    assert list(json.loads(text)["rows"][0]) == ["source", "path", "row", "content", "problem"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("<<<<<<< HEAD", id="marks of a merge"),
        pytest.param("[]", id="a list"),
        pytest.param('{"version": 2}', id="another version"),
        pytest.param('{"version": 1, "rows": [{}], "depends_on": {}, "made_with": {}}', id="row"),
        pytest.param('{"version": 1}', id="nothing in it"),
    ],
)
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(GoldenFormatError):
        decode(text)


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        pytest.param({"data.max_length": 1}, {"data.max_length": 1}, (), id="nothing"),
        pytest.param(
            {"data.max_length": None},
            {"data.max_length": 1},
            ("`data.max_length` was not set and is 1",),
            id="value",
        ),
        pytest.param(
            {"the chat template": "a"},
            {"the chat template": "b"},
            ("the chat template is another one",),
            id="hash",
        ),
        pytest.param({"tokenizer.json": "a"}, {}, (), id="not known without loading"),
        pytest.param(
            {"data.train[1].loss": {}}, {}, ("`data.train[1].loss` is gone",), id="data set"
        ),
        pytest.param(
            {"data.train[0].format": {"type": "messages", "options": {"a": 1}}},
            {"data.train[0].format": {"type": "messages", "options": {"a": 1, "later": 2}}},
            (),
            id="an option that did not exist then",
        ),
        pytest.param(
            {"data.train[0].format": {"type": "messages", "options": {"a": 1}}},
            {"data.train[0].format": {"type": "messages", "options": {"a": 2}}},
            ("`data.train[0].format.options.a` was 1 and is 2",),
            id="option",
        ),
        pytest.param(
            {"tokenizer.special_tokens": {}},
            {"tokenizer.special_tokens": {"eos_token": "x"}},
            ('`tokenizer.special_tokens` was {} and is {"eos_token": "x"}',),
            id="special token",
        ),
    ],
)
def test_changes_are_told_in_words(
    then: dict[str, Any], now: dict[str, Any], told: tuple[str, ...]
) -> None:
    assert changes(then, now) == told


def test_the_order_of_columns_is_no_content() -> None:
    assert content_of({"a": 1, "b": "é"}) == content_of({"b": "é", "a": 1})
    assert content_of({"a": 1}) != content_of({"a": 2})


def test_the_file_stands_beside_the_recipe() -> None:
    assert str(golden_path("recipes/chat.yaml")) == "recipes/chat.golden.json"
