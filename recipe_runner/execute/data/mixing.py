"""Which prepared rows train and which evaluate, and in which order.

Rows are numbered through the training sources, one after the other. The result is a
list of such numbers, so nothing is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from recipe_runner.plan import DataPlan

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any]


def held_out(groups: Numbers, wanted: float | int, seed: int) -> Numbers | None:
    """Places of the rows that evaluate, ascending; None where none would be left to train.

    `groups` holds a number for each row; rows of the same number, such as copies of one
    row, stay together on one side. `wanted` below 1 is a fraction of the rows, rounded, and
    at least one row; otherwise it is a number of rows. Where a group is larger than what is
    still wanted, the next smaller ones are taken, and fewer rows evaluate at last.
    """
    import numpy as np

    rows = len(groups)
    count = max(1, round(wanted * rows)) if wanted < 1 else int(wanted)
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if count >= rows or len(sizes) < 2:
        return None
    drawn = np.random.default_rng(seed).permutation(len(sizes))
    out: Numbers = np.zeros(len(sizes), bool)
    left = max(count, int(sizes.min()))
    while left and len(drawn := drawn[sizes[drawn] <= left]):
        fits = int(np.searchsorted(np.cumsum(sizes[drawn]), left, side="right"))
        out[drawn[:fits]] = True
        left -= int(sizes[drawn[:fits]].sum())
        drawn = drawn[fits:]
    numbers: Numbers = np.flatnonzero(out[group])
    return numbers


def order(data: DataPlan, lengths: Sequence[int], out: Numbers | None) -> Numbers | None:
    """Numbers of the rows that train, in order; None for all rows as they are.

    `lengths` counts the rows of each training source. Rows that evaluate are taken out
    before rows are repeated and sources are interleaved: a source that repeats never
    repeats them. A source with `repeat` n is used n times over.
    """
    import numpy as np

    starts = np.cumsum([0, *lengths])
    parts = [np.arange(a, b) for a, b in pairwise(starts.tolist())]
    if out is not None:
        parts = [part[~np.isin(part, out, assume_unique=True)] for part in parts]
    repeated = any(source.repeat > 1 for source in data.train)
    parts = [np.tile(part, s.repeat) for part, s in zip(parts, data.train, strict=True)]
    parts_left = [(p, s.probability) for p, s in zip(parts, data.train, strict=True) if len(p)]
    if data.mix_strategy == "interleave" and len(parts_left) > 1:
        return _interleaved(data, [p for p, _ in parts_left], [w for _, w in parts_left])
    return None if out is None and not repeated else np.concatenate(parts)


def _interleaved(
    data: DataPlan, parts: Sequence[Numbers], weights: Sequence[float | None]
) -> Numbers:
    import numpy as np
    from datasets import Dataset, interleave_datasets

    given = [1.0 if weight is None else weight for weight in weights]
    mixed = interleave_datasets(
        [Dataset.from_dict({"row": part}) for part in parts],
        probabilities=None
        if all(weight is None for weight in weights)
        else [weight / sum(given) for weight in given],
        seed=data.seed,
        stopping_strategy=data.mix_stopping,
    )
    numbers: Numbers = np.asarray(mixed.with_format("numpy")["row"][:])
    return numbers
