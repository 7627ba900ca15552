"""Rows of every format that fine-tuning takes, from the file to the prepared data: none vanishes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from recipe_runner.components.algorithms.sft import Sft
from recipe_runner.components.base import create
from recipe_runner.execute.data.layout import column, numbers_name
from recipe_runner.execute.data.prepare import prepare
from recipe_runner.execute.data.work import FORMATS
from recipe_runner.plan import FormatPlan, LossPlan, RowPolicy, Shape
from recipe_runner.rows.tally import SHOWN
from tests.formats import chat, shared
from tests.properties.rows import GOOD, rows_of

pytestmark = pytest.mark.runs

LOSS: dict[Shape, LossPlan] = {
    "conversation": LossPlan("turns", roles=("any",)),
    "prompt_completion": LossPlan("completion"),
    "text": LossPlan("all"),
    "tokenized": LossPlan("given"),
    "segments": LossPlan("given"),
}
SURE: dict[str, dict[str, Any]] = {
    "messages": chat(("user", "a"), ("assistant", "b")),
    "sharegpt": shared(("human", "a"), ("gpt", "b")),
    "alpaca": {"instruction": "a", "output": "b"},
    "prompt_completion": {"prompt": "a", "completion": "b"},
    "template": {"q": "a", "a": "b"},
    "text": {"text": "a"},
    "tokenized": {"input_ids": [1, 2]},
    "segments": {"segments": [{"text": "a", "train": True}]},
}
"""A row of each format that is used: data of which no row is used are an error."""


def taken() -> Iterator[str]:
    for layout, (options, _) in GOOD.items():
        if create(FORMATS, options).example_shape in Sft.example_shapes:
            yield layout


@pytest.mark.parametrize("layout", list(taken()))
def test_every_row_is_used_or_counted_with_its_number(
    layout: str, plan: Any, source: Any, tokenizer: Any, jsonl: Callable[..., Any]
) -> None:
    options = GOOD[layout][0]
    made = create(FORMATS, options)
    shape = made.example_shape
    format_ = FormatPlan(made.type, shape, made.options())
    seen: Counter[str] = Counter()

    @settings(
        max_examples=3,
        phases=[Phase.generate],
        deadline=None,
        derandomize=True,  # rows of which none fits, besides the sure one, would be possible
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(rows_of(layout), min_size=20, max_size=20))
    def check(drawn: list[dict[str, Any]]) -> None:
        rows = [*drawn, SURE[made.type]]
        name = f"{seen.total()}.jsonl"
        lines = [json.dumps(row, default=lambda b: b.decode("latin-1")) + "\n" for row in rows]
        drop = RowPolicy.of("drop")
        data = source(jsonl(lines, name), format=format_, loss=LOSS[shape], on_bad_row=drop)
        prepared = prepare(plan(data), tokenizer)
        (receipt,) = prepared.receipt.sources
        behind = column(prepared.folder / numbers_name(0), "row").to_pylist()
        used = {row + 1 for row in behind}
        left = set(range(1, len(rows) + 1)) - used
        assert (receipt.read, receipt.used) == (len(rows), len(used))
        assert sum(dropped.rows for dropped in receipt.dropped) == len(left)
        named = [number for dropped in receipt.dropped for number in dropped.first]
        assert len(named) == len(set(named))
        assert set(named) <= left
        for dropped in receipt.dropped:
            assert len(dropped.first) == min(dropped.rows, SHOWN)
        seen.update(used=len(used), dropped=len(left))

    check()
    assert seen.total() == 63
    assert seen["used"] > 3
    assert seen["dropped"]
