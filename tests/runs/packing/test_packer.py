"""Packs hold every token once, in as little room as can be, and are read back as they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipe_runner.execute.data.packed import evaluation_sequences, training_sequences
from recipe_runner.execute.data.packing import pieces_of
from recipe_runner.execute.data.prepare import prepare
from recipe_runner.execute.data.telling import summary
from recipe_runner.execute.tokenizer import load_tokenizer
from tests.runs.packing.conftest import joined_plan

pytestmark = pytest.mark.runs

STRATEGIES = ("bfd", "bfd_split", "wrapped")


def lists(strategy: str, lengths: list[int], capacity: int) -> list[list[tuple[int, int, int]]]:
    """The pieces of each pack, as row, begin and end."""
    found = pieces_of(strategy, np.asarray(lengths, np.int32), capacity)
    flat = list(zip(found.row.tolist(), found.begin.tolist(), found.end.tolist(), strict=True))
    return [
        flat[a:b] for a, b in zip(found.starts.tolist(), found.starts.tolist()[1:], strict=False)
    ]


@pytest.mark.parametrize(
    ("strategy", "lengths", "packs"),
    [
        # 6 first, then 5; 4 fits beside 6 without a gap, 3 beside 5, 2 fills up the second.
        pytest.param(
            "bfd",
            [2, 6, 3, 5, 4],
            [[(0, 0, 2), (2, 0, 3), (3, 0, 5)], [(1, 0, 6), (4, 0, 4)]],
            id="the smallest room that is enough",
        ),
        pytest.param(
            "bfd", [7, 7, 3], [[(0, 0, 7)], [(1, 0, 7), (2, 0, 3)]], id="ties take the last opened"
        ),
        pytest.param(
            "bfd_split",
            [25, 4],
            [[(0, 0, 10)], [(0, 10, 20)], [(0, 20, 25), (1, 0, 4)]],
            id="what is longer goes on",
        ),
        pytest.param(
            "wrapped",
            [4, 9, 3],
            [[(0, 0, 4), (1, 0, 6)], [(1, 6, 9), (2, 0, 3)]],
            id="one stream",
        ),
        pytest.param("wrapped", [10, 10], [[(0, 0, 10)], [(1, 0, 10)]], id="borders meet"),
        pytest.param("bfd", [], [], id="no rows"),
        pytest.param("wrapped", [], [], id="no stream"),
    ],
)
def test_packs_are_those_worked_out_by_hand(
    strategy: str, lengths: list[int], packs: list[list[tuple[int, int, int]]]
) -> None:
    assert lists(strategy, lengths, 10) == packs


@given(
    st.sampled_from(STRATEGIES),
    st.lists(st.integers(1, 70), max_size=60),
    st.integers(1, 40),
)
def test_every_token_is_in_one_pack(strategy: str, lengths: list[int], capacity: int) -> None:
    packs = lists(strategy, lengths, capacity)
    assert packs == lists(strategy, lengths, capacity)
    seen = sorted(piece for pack in packs for piece in pack)
    whole = [(row, at) for row, length in enumerate(lengths) for at in range(length)]
    assert [(row, at) for row, begin, end in seen for at in range(begin, end)] == whole
    sizes = [sum(end - begin for _, begin, end in pack) for pack in packs]
    assert all(0 < size <= capacity for size in sizes)
    if strategy == "wrapped":
        assert all(size == capacity for size in sizes[:-1])
    else:
        # Best fit leaves no two packs that would fit into one.
        assert len(sizes) < 2 or sum(sorted(sizes)[:2]) > capacity


def test_a_long_row_is_cut_no_more_than_it_has_to_be() -> None:
    lengths = [35, 12, 8]
    assert len([p for pack in lists("bfd_split", lengths, 10) for p in pack]) == 4 + 2 + 1


def test_best_fit_over_all_rows_beats_trl_by_the_thousand() -> None:
    import datasets
    from trl import pack_dataset

    draw = np.random.default_rng(0)
    lengths = np.clip(draw.lognormal(5, 0.8, 3000), 1, 1024).astype(np.int32)
    theirs = pack_dataset(
        datasets.Dataset.from_dict({"input_ids": [[0] * n for n in lengths.tolist()]}), 1024, "bfd"
    )
    ours = len(pieces_of("bfd", lengths, 1024).starts) - 1
    assert ours <= len(theirs)
    assert ours <= np.ceil(lengths.sum() / 1024) * 1.01


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_sequences_hold_the_tokens_of_the_rows(strategy: str, model: Path, tmp_path: Path) -> None:
    data = {"packing": strategy, "eval_packing": strategy, "eval_split": 8, "max_length": 32}
    plan = joined_plan(model, tmp_path, data=data)
    tokenizer = load_tokenizer(plan.tokenizer)
    prepared = prepare(plan, tokenizer)
    for rows, sequences, receipt in (
        (prepared.train, training_sequences(plan, prepared.folder), prepared.receipt.train_packs),
        (prepared.eval, evaluation_sequences(plan, prepared.folder), prepared.receipt.eval_packs),
    ):
        assert rows is not None
        assert sequences is not None
        assert receipt is not None
        items = sequences.__getitems__(range(len(sequences)))
        assert [len(item["input_ids"]) for item in items] == sequences["length"]
        assert all(sum(item["seq_lengths"]) == len(item["input_ids"]) <= 32 for item in items)
        documents = sorted(tuple(row["input_ids"]) for row in rows)
        pieces = sorted(
            tuple(part.tolist())
            for item in items
            for part in np.split(item["input_ids"], np.cumsum(item["seq_lengths"])[:-1])
        )
        if strategy == "bfd":
            assert pieces == documents
        assert sum(map(len, pieces)) == sum(map(len, documents)) == receipt.tokens
        labels = sorted(label for row in rows for label in row["labels"])
        assert sorted(label for item in items for label in item["labels"].tolist()) == labels
        assert (receipt.packs, receipt.rows, receipt.pieces) == (len(items), len(rows), len(pieces))
    told = [line for line in summary(prepared.receipt) if "packs of up to 32 tokens" in line]
    assert len(told) == 2
    assert prepared.receipt.train_packs is not None
    if strategy == "bfd_split":
        assert prepared.receipt.train_packs.pieces > prepared.receipt.train_packs.rows
        assert prepared.receipt.sources[0].truncated_rows == 0


def test_unpacked_sequences_are_the_rows_in_order(model: Path, tmp_path: Path) -> None:
    plan = joined_plan(model, tmp_path, data={"eval_split": 0.2})
    prepared = prepare(plan, load_tokenizer(plan.tokenizer))
    sequences = training_sequences(plan, prepared.folder)
    assert [item["input_ids"].tolist() for item in sequences] == prepared.train["input_ids"][:]
    assert [item["labels"].tolist() for item in sequences] == prepared.train["labels"][:]
    assert sequences["length"] == [len(row) for row in prepared.train["input_ids"]]
    assert sequences[-1]["input_ids"].tolist() == prepared.train[-1]["input_ids"]


def test_sequences_survive_being_sent_to_another_process(model: Path, tmp_path: Path) -> None:
    import pickle

    plan = joined_plan(model, tmp_path, data={"packing": "bfd"})
    prepared = prepare(plan, load_tokenizer(plan.tokenizer))
    sequences = training_sequences(plan, prepared.folder)
    first = sequences[0]["input_ids"].tolist()
    again: Any = pickle.loads(pickle.dumps(sequences))
    assert again[0]["input_ids"].tolist() == first
    assert len(pickle.dumps(sequences)) < 20_000
    assert json.dumps(again["length"]) == json.dumps(sequences["length"])
