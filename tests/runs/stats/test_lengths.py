"""Figures of lengths agree with counting by hand."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest

from recipe_runner.execute.stats.filling import drawn, filling
from recipe_runner.execute.stats.lengths import Cuts, histogram, is_wide, percentiles

pytestmark = pytest.mark.runs


def lengths(*values: int) -> np.ndarray:
    made: np.ndarray = np.array(values, np.int64)
    return made


@pytest.fixture
def many() -> np.ndarray:
    draw = random.Random(3)
    return lengths(*(max(1, int(draw.lognormvariate(5, 1))) for _ in range(5000)))


def test_percentiles_are_lengths_that_occur() -> None:
    found = percentiles(np.arange(1, 1001))
    assert found == {
        "p50": 500,
        "p75": 750,
        "p90": 900,
        "p95": 950,
        "p99": 990,
        "p99.9": 999,
        "max": 1000,
    }
    assert percentiles(lengths(7))["p50"] == 7


@pytest.mark.parametrize("limit", [1, 64, 150, 1000, 10**6])
def test_cuts_are_what_counting_gives(many: np.ndarray, limit: int) -> None:
    (cut,) = Cuts(many).table({limit: ("note",)})
    longer = [int(length) for length in many if length > limit]
    assert cut.rows == len(longer)
    assert cut.tokens == sum(length - limit for length in longer)
    assert cut.rows_share == len(longer) / len(many)
    assert cut.tokens_share == cut.tokens / int(many.sum())
    assert cut.notes == ("note",)


def test_the_suggestion_is_the_smallest_that_cuts_little(many: np.ndarray) -> None:
    made = Cuts(many).suggested(None)

    def cuts_little(limit: int) -> bool:
        lost = np.maximum(many - limit, 0)
        return bool((lost > 0).mean() <= 0.01 and lost.sum() / many.sum() <= 0.005)

    assert made.max_length % 64 == 0
    assert cuts_little(made.max_length)
    assert not cuts_little(made.max_length - 64)


@pytest.mark.parametrize(
    ("values", "context", "expected", "why"),
    [
        pytest.param([10, 20, 60], None, 64, "cuts no row", id="short rows"),
        pytest.param([100] * 10, None, 128, "cuts no row", id="equal rows"),
        pytest.param([100] * 999 + [5000], None, 4480, "at most 1%", id="few tokens decide"),
        pytest.param([600] * 999 + [1200], None, 640, "at most 1%", id="one long row"),
        pytest.param([600] * 10, 512, 512, "the model's context", id="context"),
    ],
)
def test_suggestions(values: list[int], context: int | None, expected: int, why: str) -> None:
    made = Cuts(lengths(*values)).suggested(context)
    assert made.max_length == expected
    assert why in made.why


@pytest.mark.parametrize(
    "values",
    [[1], [5, 5, 5], [1, 100_000], list(range(50, 90)), [0, 0, 3], [2**15], [63, 64, 65, 1023]],
    ids=str,
)
def test_bins_hold_each_row_once(values: list[int]) -> None:
    bins = histogram(lengths(*values))
    assert sum(bin.rows for bin in bins) == len(values)
    assert sum(bin.tokens for bin in bins) == sum(values)
    for bin in bins:
        assert bin.rows == sum(
            bin.begin <= max(value, bins[0].begin) <= bin.end for value in values
        )
    assert all(a.end + 1 == b.begin for a, b in pairwise(bins))
    assert len(bins) <= 22


def test_bins_widen_only_where_lengths_differ_much(many: np.ndarray) -> None:
    assert is_wide(many)
    even = np.arange(200, 400)
    assert not is_wide(even)
    assert len({bin.end - bin.begin for bin in histogram(even)}) == 1


def test_shares_of_real_tokens_are_those_of_the_batches() -> None:
    found = filling(lengths(*[10, 40, 20, 40] * 4), 32, 2)
    # Four rows are cut to 10, 32, 20, 32 tokens. In pairs as they come: 2 * (32 + 32); sorted,
    # in groups of two batches: 2 * (32 + 20). Packs of 32: two for the long ones, and 20 + 10.
    assert found.padded == pytest.approx(94 / 128)
    assert found.grouped == pytest.approx(94 / 104)
    assert found.packed == pytest.approx(94 / 96)


def test_a_last_batch_that_is_not_full_counts() -> None:
    found = filling(lengths(10, 20, 5), 64, 2)
    assert found.padded == pytest.approx(35 / (40 + 5))


def test_batches_are_drawn_by_the_seed(many: np.ndarray) -> None:
    assert drawn(many, 1).tolist() == drawn(many, 1).tolist() != drawn(many, 2).tolist()
    assert sorted(drawn(many, 1).tolist()) == sorted(many.tolist())
