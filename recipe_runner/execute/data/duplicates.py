"""Finds rows that repeat earlier ones, by their marks: 16 bytes of each example's content.

Works on columns, needs about 40 bytes of memory a row, and looks at no token.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipe_runner.execute.data.layout import column, numbers_name

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any]


def marks_of(folder: Path, sources: Sequence[int]) -> Numbers:
    """The marks of all prepared rows of `sources`: uint64[rows, 2]."""
    import numpy as np

    parts = [
        np.frombuffer(chunk.buffers()[1], np.uint64).reshape(-1, 2)[chunk.offset :][: len(chunk)]
        for number in sources
        for chunk in column(folder / numbers_name(number), "mark").chunks
    ]
    return np.concatenate(parts) if parts else np.empty((0, 2), np.uint64)


def origins_of(folder: Path, sources: Sequence[int]) -> Numbers:
    """For each prepared row of `sources`, the number of the first that was made from the same row.

    The pieces of a long row that was split follow one another; they are one row.
    """
    import numpy as np

    firsts, before = [], 0
    for number in sources:
        rows = column(folder / numbers_name(number), "row").to_numpy()
        new: Numbers = np.ones(len(rows), bool)
        new[1:] = rows[1:] != rows[:-1]
        firsts.append(np.flatnonzero(new)[np.cumsum(new) - 1] + before)
        before += len(rows)
    return np.concatenate(firsts) if firsts else np.empty(0, np.int64)


def first_of_equal(marks: Numbers) -> Numbers:
    """For each row, the number of the first row with the same mark, which may be itself."""
    import numpy as np

    first = np.arange(len(marks))
    if not len(marks):
        return first
    high, low = marks[:, 0], marks[:, 1]
    order = np.argsort(high, kind="stable")
    same = high[order[1:]] == high[order[:-1]]
    if (low[order[1:]] != low[order[:-1]])[same].any():
        # Halves of marks that are equal by chance: rare enough to sort by both only then.
        order = np.lexsort((low, high))
        same = (marks[order[1:]] == marks[order[:-1]]).all(axis=1)
    begins = np.concatenate([[True], ~same])
    # A stable sort leaves equal marks in the order of their rows: each run begins with its first.
    first[order] = order[begins][np.cumsum(begins) - 1]
    return first
