"""Splits, mixes and processes: the same recipe gives the same bytes."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.data import evaluation_examples, prepare
from recipe_runner.plan import DataPlan

pytestmark = pytest.mark.runs


def numbers(tokenizer: Any, rows: Any) -> list[int]:
    return [answer_number(tokenizer, row) for row in rows]


def answer_number(tokenizer: Any, row: Mapping[str, list[int]]) -> int:
    text = tokenizer.decode([token for token in row["labels"] if token != -100])
    return int(text.split("<")[0].split()[-1])


def test_the_number_of_processes_does_not_change_a_byte(
    chats: Any,
    plan: Any,
    source: Any,
    tokenizer: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    made = source(chats(3500), fraction_of_rows=0.9)
    digests = []
    for processes in (1, 2):
        monkeypatch.setenv("RECIPE_RUNNER_CACHE", str(tmp_path / str(processes)))
        prepared = prepare(plan(made, eval_split=0.1, num_proc=processes), tokenizer)
        assert prepared.receipt.processes == processes
        files = sorted(prepared.folder.glob("*.arrow"))
        digests.append([(f.name, hashlib.sha256(f.read_bytes()).hexdigest()) for f in files])
        receipt = dataclasses.replace(prepared.receipt, processes=0, seconds=0)
        digests[-1].append((str(receipt), ""))
    assert digests[0] == digests[1]
    assert len(digests[0]) == 5  # tokens, rows, two orders, the receipt


@pytest.mark.parametrize(("split", "held"), [(0.1, 10), (0.001, 1), (25, 25), (0.005, 1)])
def test_a_split_divides_the_rows(
    split: float, held: int, chats: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    prepared = prepare(plan(source(chats(100)), eval_split=split), tokenizer)
    train, out = numbers(tokenizer, prepared.train), numbers(tokenizer, prepared.eval)
    assert len(out) == prepared.receipt.eval_rows == held
    assert sorted(train + out) == list(range(100))


@pytest.mark.parametrize("split", [10, 11])
def test_a_split_that_takes_every_row_is_an_error(
    split: int, chats: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    with pytest.raises(DiagnosticError) as caught:
        prepare(plan(source(chats(10)), eval_split=split), tokenizer)
    assert [d.code.id for d in caught.value.diagnostics] == ["RR427"]


@pytest.fixture
def two(jsonl: Any, chat: Any, source: Any) -> tuple[Any, Any]:
    """60 rows that answer 0 to 59, and 20 that answer 100 to 119."""
    small = jsonl([chat("q", f"{n}") for n in range(60)], "a.jsonl")
    large = jsonl([chat("q", f"{n}") for n in range(100, 120)], "b.jsonl")
    return source(small), source(large)


def test_concatenating_keeps_the_order(two: tuple[Any, Any], plan: Any, tokenizer: Any) -> None:
    expected = [*range(60), *range(100, 120)]
    assert numbers(tokenizer, prepare(plan(*two), tokenizer).train) == expected


def test_interleaving_in_turns_stops_with_the_shortest(
    two: tuple[Any, Any], plan: Any, tokenizer: Any
) -> None:
    rows = numbers(tokenizer, prepare(plan(*two, mix_strategy="interleave"), tokenizer).train)
    assert rows[:4] == [0, 100, 1, 101]
    assert rows[::2] == list(range(len(rows[::2])))
    assert 119 in rows


def test_interleaving_follows_probabilities_and_seed(
    two: tuple[Any, Any], plan: Any, tokenizer: Any
) -> None:
    mixed = [dataclasses.replace(s, probability=p) for s, p in zip(two, (0.75, 0.25), strict=True)]
    values = {"mix_strategy": "interleave", "mix_stopping": "all_exhausted"}
    draws = [
        numbers(tokenizer, prepare(plan(*mixed, seed=seed, **values), tokenizer).train)
        for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]
    counts = Counter(row >= 100 for row in draws[0])
    assert set(draws[0]) >= {*range(60), *range(100, 120)}
    assert 0.1 < counts[True] / len(draws[0]) < 0.4


def test_rows_that_repeat_in_training_never_evaluate(
    two: tuple[Any, Any], plan: Any, tokenizer: Any
) -> None:
    made = plan(*two, eval_split=0.25, mix_strategy="interleave", mix_stopping="all_exhausted")
    prepared = prepare(made, tokenizer)
    train, out = numbers(tokenizer, prepared.train), numbers(tokenizer, prepared.eval)
    assert len(train) > len(set(train))
    assert not set(train) & set(out)
    assert set(train) | set(out) == {*range(60), *range(100, 120)}


def test_evaluation_sources_stay_apart(two: tuple[Any, Any], plan: Any, tokenizer: Any) -> None:
    prepared = prepare(plan(two[0], eval=(two[1],)), tokenizer)
    assert numbers(tokenizer, prepared.train) == list(range(60))
    assert numbers(tokenizer, prepared.eval) == list(range(100, 120))
    assert [s.role for s in prepared.receipt.sources] == ["train", "eval"]
    assert DataPlan((two[0],), (two[1],)).has_eval


def test_trl_collates_and_packs_prepared_rows(
    two: tuple[Any, Any], plan: Any, tokenizer: Any
) -> None:
    from trl import pack_dataset
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    train = prepare(plan(*two, eval_split=5), tokenizer).train
    batch = DataCollatorForLanguageModeling(pad_token_id=0)([train[0], train[70]])
    assert batch["labels"].dtype == batch["input_ids"].dtype == torch.int64
    width = max(len(train[0]["labels"]), len(train[70]["labels"]))
    assert batch["labels"].shape == (2, width)
    kept = [t for t in batch["labels"][1].tolist() if t != -100]
    assert kept == [t for t in train[70]["labels"] if t != -100]

    packed = pack_dataset(train, 128, "bfd")
    assert set(packed.column_names) == {"input_ids", "labels", "seq_lengths"}
    assert sum(t != -100 for row in packed["labels"] for t in row) == sum(
        t != -100 for row in train["labels"] for t in row
    )


def test_packing_is_found_again(two: tuple[Any, Any], plan: Any, tokenizer: Any) -> None:
    from trl import pack_dataset

    def packed() -> set[str]:
        prepared = prepare(plan(*two, eval_split=5), tokenizer)
        pack_dataset(prepared.train, 128, "bfd")
        return {file.name for file in prepared.folder.glob("cache-*.arrow")}

    assert packed() == packed() != set()


@pytest.mark.parametrize("split", [True, False], ids=["split", "source"])
def test_evaluation_rows_are_found_again_as_they_were_written(
    split: bool, two: tuple[Any, Any], plan: Any, tokenizer: Any
) -> None:
    made = plan(*two, eval_split=0.25) if split else plan(two[0], eval=(two[1],))
    prepared = prepare(made, tokenizer)
    examples = evaluation_examples(made, prepared, 15)
    answers = [int(str(example["messages"][-1]["content"])) for example in examples]
    assert answers == numbers(tokenizer, prepared.eval)[:15]


def test_progress_counts_every_row_once(chats: Any, plan: Any, source: Any, tokenizer: Any) -> None:
    told: list[tuple[int, int]] = []
    prepare(
        plan(source(chats(2500), limit=2300), num_proc=2),
        tokenizer,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1000, 2300), (2000, 2300), (2300, 2300)]
