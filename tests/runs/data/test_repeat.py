"""Repeats and shares: what each source really gives, counted from the rows that train."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import pytest

from recipe_runner.execute.data import prepare
from recipe_runner.execute.data.shares import given, shares
from recipe_runner.execute.data.telling import summary
from recipe_runner.plan import DeduplicatePlan
from recipe_runner.plan.mix import rows_per_epoch

pytestmark = pytest.mark.runs


@pytest.fixture
def two(jsonl: Any, chat: Any, source: Any) -> tuple[Any, Any]:
    """60 rows that answer 0 to 59, and 20 longer ones that answer 100 to 119."""
    small = jsonl([chat("q", f"{n}") for n in range(60)], "a.jsonl")
    large = jsonl([chat("a longer question", f"{n}") for n in range(100, 120)], "b.jsonl")
    return source(small), source(large)


def answers(tokenizer: Any, rows: Any) -> list[int]:
    texts = [tokenizer.decode([t for t in row["labels"] if t != -100]) for row in rows]
    return [int(text.split("<")[0].split()[-1]) for text in texts]


def times(second: Any, n: int) -> Any:
    return dataclasses.replace(second, repeat=n)


def test_a_source_that_repeats_is_used_so_many_times(
    two: tuple[Any, Any], plan: Any, tokenizer: Any
) -> None:
    rows = answers(tokenizer, prepare(plan(two[0], times(two[1], 3)), tokenizer).train)
    assert rows == [*range(60), *(3 * [*range(100, 120)])]


def test_repeated_rows_never_evaluate(two: tuple[Any, Any], plan: Any, tokenizer: Any) -> None:
    prepared = prepare(plan(two[0], times(two[1], 3), eval_split=0.25), tokenizer)
    train, out = answers(tokenizer, prepared.train), answers(tokenizer, prepared.eval)
    assert len(out) == len(set(out)) == 20
    assert not set(train) & set(out)
    counts = Counter(train)
    assert all(counts[row] == (3 if row >= 100 else 1) for row in counts)
    assert set(train) | set(out) == {*range(60), *range(100, 120)}


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    "values",
    [
        pytest.param({}, id="concatenate"),
        pytest.param({"eval_split": 12}, id="split"),
        pytest.param({"mix_strategy": "interleave"}, id="in-turns"),
        pytest.param({"mix_strategy": "interleave", "mix_stopping": "all_exhausted"}, id="all"),
    ],
)
def test_shares_are_those_of_the_rows_that_train(
    values: dict[str, Any], processes: int, two: tuple[Any, Any], plan: Any, tokenizer: Any
) -> None:
    made = plan(two[0], times(two[1], 2), num_proc=processes, **values)
    prepared = prepare(made, tokenizer)
    found = shares(made, prepared)
    for number, each in enumerate(found):
        own = [
            row
            for row, answer in zip(prepared.train, answers(tokenizer, prepared.train), strict=True)
            if (answer >= 100) == bool(number)
        ]
        assert each.rows == len(own)
        assert each.tokens == sum(len(row["input_ids"]) for row in own)
    assert sum(each.share for each in found) == pytest.approx(1)
    assert [line.split(" rows")[0].split(": ")[1] for line in given(made, prepared)] == [
        str(each.rows) for each in found
    ]
    data = made.data
    counted = [dataclasses.replace(s, rows=n) for s, n in zip(data.train, (60, 20), strict=True)]
    expected = rows_per_epoch(counted, data.eval_split, data.mix_strategy, data.mix_stopping)
    assert expected is not None
    if expected.exact:
        assert expected.rows == tuple(each.rows for each in found)
    assert expected.total in (None, len(prepared.train))


def test_probabilities_give_about_what_is_expected(
    jsonl: Any, chat: Any, source: Any, plan: Any, tokenizer: Any
) -> None:
    files = [jsonl([chat("q", f"{n}") for n in range(500)], name) for name in ("a", "b")]
    made = plan(
        source(files[0], rows=500, probability=0.8),
        source(files[1], rows=500, probability=0.2),
        mix_strategy="interleave",
    )
    expected = rows_per_epoch(made.data.train, None, "interleave", "first_exhausted")
    assert expected is not None
    assert expected.rows == pytest.approx((500, 125))
    found = shares(made, prepare(made, tokenizer))
    # Of 625 draws, 125 are expected from the second; 4 standard deviations are 40.
    assert found[0].rows == 500
    assert abs(found[1].rows - 125) < 40


@pytest.mark.parametrize(
    ("values", "data"),
    [
        pytest.param({"repeat": 3}, {}, id="repeated"),
        pytest.param({}, {"eval_split": 0.5}, id="split"),
        pytest.param({}, {"deduplicate": DeduplicatePlan()}, id="without-duplicates"),
    ],
)
def test_the_tokens_of_the_receipt_are_those_that_train(
    values: Any, data: Any, jsonl: Any, chat: Any, source: Any, plan: Any, tokenizer: Any
) -> None:
    file = jsonl([chat("question", "answer " * (n % 7 + 1)) for n in range(10)])
    prepared = prepare(plan(source(file, **values), **data), tokenizer)
    rows = prepared.train[:]
    labels = [label for row in rows["labels"] for label in row]
    trained = len(labels) - labels.count(-100)
    receipt = prepared.receipt
    assert (receipt.train_rows, receipt.train_tokens) == (len(rows["labels"]), len(labels))
    assert receipt.trained_tokens == trained
    assert f"({len(labels):,} tokens, " in next(summary(receipt))
