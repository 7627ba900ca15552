"""What each training source really gives in an epoch, counted from what was prepared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Protocol

from recipe_runner.execute.data.layout import TRAIN, column, numbers_name
from recipe_runner.plan import Plan

_WIDTH = 1 << 22
"""Rows of the order that are looked at together."""


class Folder(Protocol):
    """Prepared data, by their folder."""

    @property
    def folder(self) -> Path: ...


class Count(NamedTuple):
    """What an epoch has of a source: its rows, their tokens, and those that train."""

    rows: int
    tokens: int
    trained_tokens: int


@dataclass(frozen=True)
class Share:
    """Rows and tokens that a source gives in an epoch; `share` is its part of all tokens."""

    path: str
    rows: int
    tokens: int
    share: float


def shares(plan: Plan, prepared: Folder) -> tuple[Share, ...]:
    """The share of each training source, in their order in the plan."""
    counts = counted(plan, prepared.folder)
    total = sum(each.tokens for each in counts)
    return tuple(
        Share(source.path, each.rows, each.tokens, each.tokens / total if total else 0.0)
        for source, each in zip(plan.data.train, counts, strict=True)
    )


def counted(plan: Plan, folder: Path) -> tuple[Count, ...]:
    """What an epoch has of each training source, in their order in the plan.

    Rows are counted as often as they train: after splits, removed duplicates, repeats and
    interleaving.
    """
    import numpy as np

    columns = [
        [column(folder / numbers_name(n), name).to_numpy() for name in ("length", "trained")]
        for n in range(len(plan.data.train))
    ]
    starts = np.cumsum([0, *(len(lengths) for lengths, _ in columns)])
    order = folder / TRAIN
    if order.exists():
        numbers = column(order, "indices")
        times = np.zeros(starts[-1], np.int64)
        for first in range(0, len(numbers), _WIDTH):
            drawn = numbers.slice(first, _WIDTH).to_numpy()
            times += np.bincount(drawn.astype(np.int64), minlength=starts[-1])
    else:
        times = np.ones(starts[-1], np.int64)
    return tuple(
        Count(int(times[a:b].sum()), *(int((times[a:b] * each).sum()) for each in counts))
        for (a, b), counts in zip(pairwise(starts.tolist()), columns, strict=True)
    )


def given(plan: Plan, prepared: Folder) -> Iterator[str]:
    """A line for each training source, where there are several."""
    if len(plan.data.train) < 2:
        return
    for each in shares(plan, prepared):
        yield (
            f"{each.path}: {each.rows:,} rows and {each.tokens:,} tokens an epoch, "
            f"{each.share:.0%} of the tokens"
        )
