"""Prompts as trainers take them: every item has the columns of all rows, apart from the trainer's own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.execute.data import prepare
from recipe_runner.execute.feeds.datasets import Prompts, evaluation_rows, training_rows
from tests.tiny import tiny_tokenizer
from tests.workshop import recipe, workshop

pytestmark = pytest.mark.runs

ASKED = [{"role": "user", "content": "what is 1 + 1"}]
TRAIN: list[Mapping[str, Any]] = [
    {"prompt": "1 + 1 ="},
    {"prompt": "1 + 2 =", "image": "a.png", 'odd"], name': [1, {"a": None}]},
    {"prompt": ASKED, "answer": "2", "chat_template_kwargs": {"mode": "long"}},
    {"prompt": "1 + 4 =", "answer": "5", "privileged_context": "a sum", "prompts": 1},
]
EVAL: list[Mapping[str, Any]] = [{"prompt": "2 + 1 =", "answer": "3"}]


def opened(folder: Path, train: Sequence[Any], held: Sequence[Any], **data: Any) -> tuple[Any, Any]:
    shop = workshop(folder)
    for name, rows in (("train", train), ("held", held)):
        text = "".join(f"{json.dumps(row)}\n" for row in rows)
        (shop.folder / "data" / f"{name}.jsonl").write_text(text, encoding="utf-8")
    changes = {
        "data.train": {"path": "data/train.jsonl", "format": "prompt"},
        "data.shuffle": False,
        "tokenizer": {"chat_template_kwargs": {"mode": "brief", "date": "2024"}},
        **data,
    }
    if held:
        changes["data.eval"] = {"path": "data/held.jsonl", "format": "prompt"}
    plan = shop.plan(recipe(changes, algorithm="a2po", rewards="length"))
    prepared = prepare(plan, tiny_tokenizer(folder / "tokenizer"))
    return training_rows(plan, prepared), evaluation_rows(plan, prepared)


def test_items_have_the_columns_of_all_rows_and_trainers_see_none_but_their_own(
    tmp_path: Path,
) -> None:
    train, held = opened(tmp_path, TRAIN, EVAL)
    assert isinstance(train, Prompts)
    names = [
        "image",
        'odd"], name',
        "answer",
        "chat_template_kwargs",
        "privileged_context",
        "prompts",
    ]
    items = list(train)
    for number, (item, given) in enumerate(zip(items, TRAIN, strict=True), 1):
        assert set(item) == {
            "prompt", "privileged_context", "chat_template_kwargs", "_columns", "_row", "_phase"
        }  # fmt: skip
        assert item["prompt"] == given["prompt"]
        assert item["_columns"] == {name: given.get(name) for name in names}
        assert item["privileged_context"] == given.get("privileged_context")
        assert item["_row"].endswith(f"data/train.jsonl:{number}")
        assert item["_phase"] == "train"
    assert [item["chat_template_kwargs"] for item in items] == [
        {}, {}, {"mode": "long", "date": "2024"}, {}
    ]  # fmt: skip
    (item,) = held
    assert item["_columns"] == {"answer": "3"}
    assert "privileged_context" not in item
    assert item["_phase"] == "eval"


def test_rows_that_are_held_out_are_known_and_stay_so(tmp_path: Path) -> None:
    rows = [{"prompt": f"{n} + 1 =", **({"tone": "curt"} if n == 7 else {})} for n in range(40)]
    train, held = opened(tmp_path, rows, [], **{"data.eval": {"split": 0.25}})
    assert (len(train), len(held)) == (30, 10)
    for given, phase in ((train, "train"), (held, "eval")):
        for each in (given, given.filter(lambda item: item["prompt"] != "7 + 1 =")):
            assert {item["_phase"] for item in each} == {phase}
            assert {tuple(item["_columns"]) for item in each} == {("tone",)}
