"""Rows of an epoch by arithmetic, worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from recipe_runner.plan import FormatPlan, LossPlan, SourcePlan
from recipe_runner.plan.mix import EpochRows, rows_per_epoch


def source(rows: int | None, **values: Any) -> SourcePlan:
    return SourcePlan(
        "a", "json", FormatPlan("text", "text"), LossPlan.of("all"), rows=rows, **values
    )


HALF = {"probability": 0.5}


@pytest.mark.parametrize(
    ("train", "split", "strategy", "stopping", "expected"),
    [
        pytest.param(
            [source(100), source(10, repeat=3)],
            None,
            "concatenate",
            "first_exhausted",
            EpochRows((100, 30), True, 130),
            id="repeat",
        ),
        pytest.param(
            [source(100, limit=50, fraction_of_rows=0.5, repeat=2)],
            5,
            "concatenate",
            "first_exhausted",
            EpochRows((40,), True, 40),  # 50, half of them 25, 5 evaluate, twice 20
            id="limit-fraction-split-repeat",
        ),
        pytest.param(
            [source(80), source(20)],
            10,
            "concatenate",
            "first_exhausted",
            EpochRows((72, 18), False, 90),  # a tenth of each is expected to evaluate
            id="split-of-two",
        ),
        pytest.param(
            [source(80), source(20, repeat=2)],
            10,
            "concatenate",
            "first_exhausted",
            EpochRows((72, 36), False, None),
            id="split-of-two-with-repeat",
        ),
        pytest.param(
            [source(60), source(20)],
            None,
            "interleave",
            "first_exhausted",
            EpochRows((20, 20), True, 40),
            id="in-turns-first",
        ),
        pytest.param(
            [source(60), source(20)],
            None,
            "interleave",
            "all_exhausted",
            EpochRows((60, 60), True, 120),
            id="in-turns-all",
        ),
        pytest.param(
            [source(700, **HALF), source(300, **HALF)],
            None,
            "interleave",
            "first_exhausted",
            EpochRows((300, 300), False, None),
            id="probability-first",
        ),
        pytest.param(
            [source(600, probability=0.75), source(300, probability=0.25)],
            None,
            "interleave",
            "all_exhausted",
            EpochRows((900, 300), False, None),  # 300 of the second need 1,200 draws
            id="probability-all",
        ),
        pytest.param(
            [source(10), source(None)],
            None,
            "concatenate",
            "first_exhausted",
            None,
            id="not-counted",
        ),
    ],
)
def test_rows_per_epoch(
    train: list[SourcePlan], split: Any, strategy: Any, stopping: Any, expected: EpochRows | None
) -> None:
    assert rows_per_epoch(train, split, strategy, stopping) == expected
