"""Which training rows repeat others, and what they repeat.

Rows are numbered through all sources, training first. Those of one source row, which
`overlong: split` made several of, are one row here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from recipe_runner.execute.data.duplicates import first_of_equal, marks_of, origins_of
from recipe_runner.execute.data.layout import column, numbers_name
from recipe_runner.execute.data.near_duplicates import first_of_alike
from recipe_runner.execute.data.receipt import Repeated
from recipe_runner.execute.data.signatures import SIZE
from recipe_runner.plan import DeduplicatePlan
from recipe_runner.rows.tally import SHOWN

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any]

NOTHING = -1
"""Stands where a row repeats no other."""


@dataclass(frozen=True)
class Repeats:
    """Compares the prepared rows in `folder`, of which each source has `lengths`.

    The first `train` sources train. `signatures` is the file with those of all rows,
    where they are compared by likeness.
    """

    folder: Path
    lengths: Sequence[int]
    train: int
    method: DeduplicatePlan
    signatures: Path

    @cached_property
    def trained(self) -> int:
        """How many rows the training sources have."""
        return sum(self.lengths[: self.train])

    @cached_property
    def origins(self) -> Numbers:
        """The first row of each row's own source row."""
        return origins_of(self.folder, range(len(self.lengths)))

    @cached_property
    def equal(self) -> Numbers:
        """The first row of the same content, for each row."""
        return first_of_equal(marks_of(self.folder, range(len(self.lengths))))

    def among_training(self) -> Numbers:
        """What each training row repeats of the training rows before it, or `NOTHING`."""
        import numpy as np

        first = self.equal[: self.trained]
        if self.method.method == "near":
            near = first_of_alike(
                self._signatures, self.method.threshold, rows=self._different(0, self.trained)
            )
            first = near[first]
        repeated: Numbers = np.where(first == self.origins[: self.trained], NOTHING, first)
        return repeated

    def of_evaluation(self, rows: Numbers) -> Numbers:
        """Which evaluation row each training row repeats, or `NOTHING`; only `rows` are looked at."""
        import numpy as np

        end = len(self.equal)
        found = np.full(self.trained, NOTHING)
        if self.method.method == "near":
            evaluated = self._different(self.trained, end)
            looked_at = np.unique(self.equal[rows])
            near = first_of_alike(
                self._signatures, self.method.threshold, rows=looked_at, among=evaluated
            )
            there = near[self.equal[rows]]
            found[rows] = np.where(there >= self.trained, there, NOTHING)
            return found
        # From the last to the first, so that the first of several equal ones is named.
        evaluated = np.arange(end - 1, self.trained - 1, -1)
        of_content = np.full(end, NOTHING)
        of_content[self.equal[evaluated]] = evaluated
        found[rows] = of_content[self.equal[rows]]
        return found

    def told(
        self, reason: Literal["duplicate", "leaked"], repeated: Numbers, *, removed: bool
    ) -> Iterator[Repeated | None]:
        """For each source, what there is to say about its rows that repeat others."""
        starts = [0, *accumulate(self.lengths)]
        for number, (begin, end) in enumerate(pairwise(starts)):
            found = repeated[begin : min(end, self.trained)] != NOTHING
            yield self._told(number, begin, reason, repeated, removed) if found.any() else None

    def _told(
        self,
        number: int,
        begin: int,
        reason: Literal["duplicate", "leaked"],
        repeated: Numbers,
        removed: bool,
    ) -> Repeated:
        import numpy as np

        at: Numbers = (
            np.flatnonzero(repeated[begin : begin + self.lengths[number]] != NOTHING) + begin
        )
        rows = at[self.origins[at] == at]
        counts = {
            name: int(self._column(number, name)[at - begin].sum())
            for name in ("length", "trained")
        }
        return Repeated(
            reason=reason,
            rows=len(rows),
            removed=removed,
            pieces=len(at),
            tokens=counts["length"],
            trained_tokens=counts["trained"],
            first=tuple(
                (self._place(int(row))[1], *self._place(int(repeated[row]))) for row in rows[:SHOWN]
            ),
        )

    def _place(self, row: int) -> tuple[int, int]:
        """The source of a row, and its number there from 1."""
        for number, length in enumerate(self.lengths):
            if row < length:
                return number, int(self._column(number, "row")[row]) + 1
            row -= length
        raise IndexError("there are fewer rows")

    def _column(self, number: int, name: str) -> Numbers:
        values: Numbers = column(self.folder / numbers_name(number), name).to_numpy()
        return values

    def _different(self, begin: int, end: int) -> Numbers:
        """One row of each content among the rows from `begin` to `end`."""
        import numpy as np

        _, at = np.unique(self.equal[begin:end], return_index=True)
        rows: Numbers = np.sort(at) + begin
        return rows

    @cached_property
    def _signatures(self) -> Numbers:
        import numpy as np

        if not sum(self.lengths):
            return np.empty((0, SIZE), np.uint32)
        return np.memmap(self.signatures, np.uint32, "r").reshape(-1, SIZE)
