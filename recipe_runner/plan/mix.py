"""How many rows of each training set an epoch has, as far as arithmetic tells.

The run draws the rows themselves; this says what to expect of it. Stdlib only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from recipe_runner.plan.data import SourcePlan


@dataclass(frozen=True)
class EpochRows:
    """Rows that each training set gives in an epoch; expected numbers where not `exact`.

    `total` is their exact sum, which may be known where they are not; else None.
    """

    rows: tuple[float, ...]
    exact: bool
    total: int | None

    @classmethod
    def exactly(cls, rows: Sequence[float]) -> EpochRows:
        """Numbers that are known."""
        return cls(tuple(rows), True, round(sum(rows)))

    @property
    def expected(self) -> float:
        """Rows of the epoch, at least about."""
        return sum(self.rows) if self.total is None else self.total


def rows_per_epoch(
    train: Sequence[SourcePlan],
    split: float | int | None,
    strategy: Literal["concatenate", "interleave"],
    stopping: Literal["first_exhausted", "all_exhausted"],
) -> EpochRows | None:
    """What each training set gives in an epoch; None where their rows are not counted.

    Rows that the run leaves out, as broken or as duplicates, are not known here.
    """
    counts = [rows_used(source) for source in train]
    rows = [count for count in counts if count is not None]
    if len(rows) < len(counts):
        return None
    # A split draws from all sets together: how many rows of each is for the run to say.
    held = 0 if split is None else held_out_rows(sum(rows), split)
    kept = [count - held * count / max(1, sum(rows)) for count in rows]
    known = not held or len(rows) == 1
    repeated = [count * source.repeat for count, source in zip(kept, train, strict=True)]
    if strategy == "interleave" and len(train) > 1:
        until = min if stopping == "first_exhausted" else max
        return _interleaved([source.probability for source in train], repeated, until, known)
    if known:
        return EpochRows.exactly(repeated)
    repeats = {source.repeat for source in train}
    return EpochRows(
        tuple(repeated), False, (sum(rows) - held) * repeats.pop() if len(repeats) == 1 else None
    )


def rows_used(source: SourcePlan) -> int | None:
    """Rows of a set after `limit` and `fraction_of_rows`; None where they are not counted."""
    if source.rows is None:
        return None
    rows = source.rows if source.limit is None else min(source.rows, source.limit)
    if source.fraction_of_rows is None:
        return rows
    return max(1, round(rows * source.fraction_of_rows))


def held_out_rows(rows: int, split: float | int) -> int:
    """Rows that evaluate of `rows`, as the run counts them."""
    return int(split) if split >= 1 else max(1, round(rows * split))


def _interleaved(
    weights: Sequence[float | None],
    rows: Sequence[float],
    until: Callable[[Iterable[float]], float],
    known: bool,
) -> EpochRows:
    if all(weight is None for weight in weights):
        # In turns: each gives as many as the set that ends it.
        each = [until(rows)] * len(rows)
        return EpochRows.exactly(each) if known else EpochRows(tuple(each), False, None)
    given = [1.0 if weight is None else weight for weight in weights]
    shares = [weight / sum(given) for weight in given]
    draws = until(count / share for count, share in zip(rows, shares, strict=True))
    return EpochRows(tuple(draws * share for share in shares), False, None)
