"""Rows that repeat others: removed from training, kept on one side, counted and named."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.diagnostics.render import text
from recipe_runner.diagnostics.report import Report
from recipe_runner.execute.data import prepare
from recipe_runner.execute.data.duplicates import first_of_equal
from recipe_runner.execute.data.mixing import held_out
from recipe_runner.execute.data.receipt import Repeated
from recipe_runner.execute.data.telling import summary, warnings
from recipe_runner.plan import DeduplicatePlan

pytestmark = pytest.mark.runs

EXACT = DeduplicatePlan("exact")
NEAR = DeduplicatePlan("near", 0.7)

Answers = Callable[..., Path]


@pytest.fixture
def answers(jsonl: Any, chat: Any) -> Answers:
    """A file of one conversation for each answer."""

    def write(name: str, *given: int | str) -> Path:
        return Path(jsonl([chat("q", str(answer)) for answer in given], name))

    return write


@pytest.fixture
def read(tokenizer: Any) -> Callable[[Any], list[str]]:
    """The answers of prepared rows."""

    def decode(rows: Any) -> list[str]:
        kept = [[token for token in row["labels"] if token != -100] for row in rows]
        return [tokenizer.decode(tokens).split("<")[0].strip() for tokens in kept]

    return decode


def test_later_copies_are_removed_within_and_across_sources(
    answers: Answers, read: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    a, b = answers("a.jsonl", 1, 2, 1, 3, 1), answers("b.jsonl", 4, 2, 4)
    prepared = prepare(plan(source(a), source(b), deduplicate=EXACT), tokenizer)
    assert read(prepared.train) == ["1", "2", "3", "4"]
    first, second = prepared.receipt.sources
    assert [(r.reason, r.rows, r.first) for r in first.removed] == [
        ("duplicate", 2, ((3, 0, 1), (5, 0, 1)))
    ]
    assert [(r.reason, r.rows, r.first) for r in second.removed] == [
        ("duplicate", 2, ((2, 0, 2), (3, 1, 1)))
    ]
    for received in (first, second):
        assert received.read == received.used + sum(d.rows for d in received.dropped)
        left = received.used - sum(r.rows for r in received.removed)
        assert left == {str(a): 3, str(b): 1}[received.path]
    assert prepared.receipt.train_rows == 4


def test_the_screen_names_what_was_removed(
    answers: Answers, plan: Any, source: Any, tokenizer: Any
) -> None:
    a, b = answers("a.jsonl", 1, 2, 1, 3, 1), answers("b.jsonl", 4, 2, 4)
    made = plan(source(a), source(b), deduplicate=EXACT)
    for cached in (False, True):
        receipt = prepare(made, tokenizer).receipt
        assert receipt.cached is cached
        lines = [line.replace(f"{a.parent}/", "") for line in summary(receipt)]
        assert lines[1:] == [
            "a.jsonl: 2 of 5 rows removed as duplicates: row 3 repeats row 1, row 5 repeats row 1",
            "b.jsonl: 2 of 3 rows removed as duplicates: row 2 repeats row 2 of a.jsonl, "
            "row 3 repeats row 1",
        ]
        kept = sum(len(row) for row in prepare(made, tokenizer).train["input_ids"])
        assert f"({kept} tokens" in lines[0]


def test_nothing_is_removed_unless_it_is_asked_for(
    answers: Answers, plan: Any, source: Any, tokenizer: Any
) -> None:
    receipt = prepare(plan(source(answers("a.jsonl", 1, 1))), tokenizer).receipt
    assert receipt.train_rows == 2
    assert receipt.sources[0].repeated == ()


def test_pieces_of_a_long_row_are_one_row(
    jsonl: Any, chat: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    long = chat("q", " ".join(f"number {n}" for n in range(100)))
    rows = jsonl([chat("q", "1"), long, long, chat("q", "1")])
    made = plan(source(rows), max_length=64, overlong="split", deduplicate=EXACT)
    prepared = prepare(made, tokenizer)
    (received,) = prepared.receipt.sources
    (removed,) = received.removed
    assert received.used == 4
    assert (removed.rows, removed.first) == (2, ((3, 0, 2), (4, 0, 1)))
    assert removed.pieces > 2
    assert len(prepared.train) == received.rows - removed.pieces
    assert removed.tokens * 2 == received.tokens
    assert removed.trained_tokens * 2 == received.trained_tokens


def test_near_duplicates_are_removed_whatever_the_processes(
    jsonl: Any,
    chat: Any,
    plan: Any,
    source: Any,
    tokenizer: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    draw = random.Random(4)
    words = [f"w{n}" for n in range(900)]
    rows = [chat("question", " ".join(draw.choices(words, k=60))) for _ in range(1200)]
    for number in (100, 700):
        copy = rows[number]["messages"][1]["content"].split()
        rows.append(chat("question", " ".join([*copy[:-2], "other", "end"])))
    file, found = jsonl(rows), []
    for processes in (1, 2):
        monkeypatch.setenv("RECIPE_RUNNER_CACHE", str(tmp_path / str(processes)))
        made = plan(source(file), deduplicate=NEAR, num_proc=processes)
        prepared = prepare(made, tokenizer)
        (removed,) = prepared.receipt.sources[0].removed
        assert removed.first == ((1201, 0, 101), (1202, 0, 701))
        assert not (prepared.folder / "work").exists()
        found.append(list(prepared.train["input_ids"]))
    assert found[0] == found[1]
    assert len(found[0]) == 1200


@pytest.mark.parametrize("leakage", ["ignore", "report", "drop", "error"])
def test_leakage(
    leakage: str, answers: Answers, read: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    a, held = answers("a.jsonl", 1, 2, 3, 2), answers("eval.jsonl", 9, 2, 2)
    made = plan(source(a), eval=(source(held),), leakage=leakage)
    if leakage == "error":
        with pytest.raises(DiagnosticError) as caught:
            prepare(made, tokenizer)
        (found,) = caught.value.diagnostics
        assert (found.code.id, found.severity) == ("RR461", "error")
        return
    for _ in ("prepared", "found in the cache"):
        prepared = prepare(made, tokenizer)
        received = prepared.receipt.sources[0]
        told = list(warnings(made, prepared.receipt))
        assert read(prepared.eval) == ["9", "2", "2"]
        if leakage == "drop":
            assert read(prepared.train) == ["1", "3"]
            assert [(r.reason, r.rows, r.removed) for r in received.repeated] == [
                ("leaked", 2, True)
            ]
            assert "2 of 4 rows removed as evaluation rows as well" in "\n".join(
                summary(prepared.receipt)
            )
        else:
            assert read(prepared.train) == ["1", "2", "3", "2"]
        if leakage == "report":
            assert received.repeated[0].first == ((2, 1, 2), (4, 1, 2))
        assert [(d.code.id, d.severity) for d in told] == (
            [("RR460", "warning")] if leakage == "report" else []
        )


def test_the_warning_names_rows_on_both_sides(
    answers: Answers, plan: Any, source: Any, tokenizer: Any
) -> None:
    a, held = answers("a.jsonl", 1, 2, 3, 2), answers("eval.jsonl", 9, 2)
    made = plan(source(a), eval=(source(held),))
    report = Report(tuple(warnings(made, prepare(made, tokenizer).receipt)))
    assert text.render(report).replace(f"{a.parent}/", "") == (
        "recipe.yaml:1:1: RR460 warning leakage: 2 training rows are evaluation rows as well: "
        "row 2 of `a.jsonl` is row 2 of `eval.jsonl`, row 4 of `a.jsonl` is row 2 of "
        "`eval.jsonl`\n"
        "help: write `data.leakage: drop` to train without them, or `error` to stop; "
        "`ignore` says nothing\n"
    )


def test_near_leakage_is_found_where_near_duplicates_are(
    jsonl: Any, chat: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    draw = random.Random(8)
    rows = [chat("q", " ".join(draw.choices([f"w{n}" for n in range(500)], k=80))) for _ in "abc"]
    copy = rows[1]["messages"][1]["content"].split()
    held = jsonl([chat("q", "other"), chat("q", " ".join([*copy[:-1], "end"]))], "eval.jsonl")
    made = plan(source(jsonl(rows)), eval=(source(held),), deduplicate=NEAR, leakage="drop")
    prepared = prepare(made, tokenizer)
    (leaked,) = prepared.receipt.sources[0].repeated
    assert (leaked.reason, leaked.first) == ("leaked", ((2, 1, 2),))
    assert len(prepared.train) == 2
    exact = plan(source(jsonl(rows)), eval=(source(held),))
    assert prepare(exact, tokenizer).receipt.sources[0].repeated == ()


def test_training_rows_that_all_leak_are_an_error(
    answers: Answers, plan: Any, source: Any, tokenizer: Any
) -> None:
    made = source(answers("a.jsonl", 1, 2))
    with pytest.raises(DiagnosticError) as caught:
        prepare(plan(made, eval=(made,), leakage="drop"), tokenizer)
    assert [d.code.id for d in caught.value.diagnostics] == ["RR427"]


def test_copies_of_a_row_stay_on_one_side_of_a_split(
    answers: Answers, read: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    made = source(answers("a.jsonl", *range(40), *range(40), *range(20)))
    prepared = prepare(plan(made, eval_split=20), tokenizer)
    train, out = read(prepared.train), read(prepared.eval)
    assert len(train) == 80
    assert len(out) == 20
    assert not set(train) & set(out)


def test_removed_rows_do_not_evaluate(
    answers: Answers, read: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    made = source(answers("a.jsonl", *range(30), *range(30)))
    prepared = prepare(plan(made, eval_split=0.2, deduplicate=EXACT), tokenizer)
    train, out = read(prepared.train), read(prepared.eval)
    assert len(out) == 6
    assert sorted(train + out, key=int) == [str(n) for n in range(30)]


def test_interleaving_draws_from_what_is_left(
    answers: Answers, read: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    a, b = answers("a.jsonl", 1, 1, 2, 3), answers("b.jsonl", 2, 4, 5, 6)
    made = plan(
        source(a, probability=0.5),
        source(b, probability=0.5),
        deduplicate=EXACT,
        mix_strategy="interleave",
        mix_stopping="all_exhausted",
    )
    drawn = read(prepare(made, tokenizer).train)
    assert set(drawn) == {"1", "2", "3", "4", "5", "6"}


@pytest.mark.parametrize(
    ("groups", "wanted"),
    [([0] * 5 + [1] * 3 + [2, 3], 4), ([0] * 90 + list(range(1, 11)), 5), ([0, 0, 1, 1], 1)],
    ids=["mixed", "one large", "only pairs"],
)
def test_held_out_groups_stay_whole(groups: list[int], wanted: int) -> None:
    for seed in range(20):
        out = held_out(np.array(groups), wanted, seed)
        assert out is not None
        inside = {groups[at] for at in out}
        outside = {g for at, g in enumerate(groups) if at not in set(out.tolist())}
        assert not inside & outside
        assert 0 < len(out) <= max(wanted, 2)
        assert outside


def test_marks_that_share_a_half_are_different() -> None:
    draw = np.random.default_rng(0)
    marks = draw.integers(0, 3, (2000, 2), dtype=np.uint64)
    seen: dict[tuple[int, int], int] = {}
    expected = [seen.setdefault((int(a), int(b)), n) for n, (a, b) in enumerate(marks)]
    assert first_of_equal(marks).tolist() == expected


def test_what_is_removed_is_counted_in_tokens(
    answers: Answers, plan: Any, source: Any, tokenizer: Any
) -> None:
    made = plan(source(answers("a.jsonl", 1, 23, 1)), deduplicate=EXACT)
    prepared = prepare(made, tokenizer)
    (received,) = prepared.receipt.sources
    (removed,) = received.removed
    assert isinstance(removed, Repeated)
    kept = list(prepared.train)
    assert received.tokens - removed.tokens == sum(len(row["input_ids"]) for row in kept)
    trained = sum(label != -100 for row in kept for label in row["labels"])
    assert received.trained_tokens - removed.trained_tokens == trained
