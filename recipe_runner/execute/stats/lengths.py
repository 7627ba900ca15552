"""What lengths look like: percentiles, a histogram, and what each `max_length` would cut.

Lengths are of whole rows, before anything is cut off: numbers[rows], in tokens.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from recipe_runner.execute.stats.figures import Bin, Cut, Suggestion

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any]

PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9)

COMMON = tuple(1 << power for power in range(8, 16))
"""The lengths people choose, 256 to 32,768."""

ROWS_CUT = 0.01
TOKENS_CUT = 0.005
"""The largest shares of rows and of tokens that a suggested length cuts."""

STEP = 64
"""Suggested lengths are multiples of this, which suits the tiles of attention kernels."""

_BINS = 20
_WIDE = 16
"""From this ratio of the longest to the shortest rows on, lengths are told in logarithms."""


def percentiles(lengths: Numbers) -> dict[str, int]:
    """The length that so many percent of the rows do not exceed, and the longest."""
    import numpy as np

    ordered = np.sort(lengths)
    # In tenths of a percent, exactly: 99.9 / 100 is no number that a float holds.
    ranks = {percent: -(-round(percent * 10) * len(ordered) // 1000) for percent in PERCENTILES}
    named = {f"p{percent:g}": int(ordered[rank - 1]) for percent, rank in ranks.items()}
    return {**named, "max": int(ordered[-1])}


def is_wide(lengths: Numbers) -> bool:
    """True where rows differ so much in length that equal bins would hold them all in one."""
    import numpy as np

    low: float = np.percentile(lengths, 1, method="inverted_cdf")
    return bool(lengths.max() >= _WIDE * max(1, low))


def histogram(lengths: Numbers) -> tuple[Bin, ...]:
    """Rows and tokens by length, in at most about twenty bins with round borders."""
    import numpy as np

    least, most = max(1, int(lengths.min())), int(lengths.max())
    edges = _doubling(least, most) if is_wide(lengths) else _even(least, most)
    which = np.searchsorted(edges, lengths, side="right") - 1
    rows = np.bincount(which.clip(0), minlength=len(edges) - 1)
    tokens = np.bincount(which.clip(0), weights=lengths, minlength=len(edges) - 1)
    return tuple(
        Bin(begin, end - 1, int(rows[at]), int(tokens[at]))
        for at, (begin, end) in enumerate(pairwise(edges))
    )


def _even(least: int, most: int) -> list[int]:
    """Borders at multiples of 1, 2 or 5 times a power of ten."""
    steps = (unit * 10**power for power in range(12) for unit in (1, 2, 5))
    step = next(step for step in steps if (most // step) - (least // step) < _BINS)
    begin = least // step * step
    return list(range(begin, most + step + 1, step)) if most > least else [least, least + 1]


def _doubling(least: int, most: int) -> list[int]:
    """Borders at powers of two, and half way between them where there is room for it."""
    powers = range(least.bit_length() - 1, most.bit_length() + 1)
    whole = [1 << power for power in powers]
    if len(whole) > _BINS // 2:
        return whole
    halves = [edge + edge // 2 for edge in whole[:-1] if edge > 1]
    edges = sorted({*whole, *halves})
    first = max((edge for edge in edges if edge <= least), default=edges[0])
    last = min(edge for edge in edges if edge > most)
    return [edge for edge in edges if first <= edge <= last]


class Cuts:
    """Counts what lengths above a limit lose; sorts once, answers at once."""

    def __init__(self, lengths: Numbers) -> None:
        import numpy as np

        self._sorted = np.sort(lengths)
        self._sums = np.concatenate([[0], np.cumsum(self._sorted, dtype=np.int64)])
        self.rows = len(lengths)
        self.tokens = int(self._sums[-1])

    def counted(self, limits: Numbers) -> tuple[Numbers, Numbers]:
        """Rows longer than each limit, and the tokens that they are longer by."""
        import numpy as np

        at: Numbers = np.asarray(np.searchsorted(self._sorted, limits, side="right"))
        rows: Numbers = np.subtract(self.rows, at)
        return rows, self.tokens - self._sums[at] - rows * limits.astype(np.int64)

    def table(self, limits: dict[int, tuple[str, ...]]) -> tuple[Cut, ...]:
        """What each limit cuts, with its notes, shortest first."""
        import numpy as np

        wanted = sorted(limits)
        rows, tokens = self.counted(np.array(wanted, np.int64))
        return tuple(
            Cut(
                limit,
                int(rows[at]),
                int(rows[at]) / self.rows,
                int(tokens[at]),
                int(tokens[at]) / max(1, self.tokens),
                limits[limit],
            )
            for at, limit in enumerate(wanted)
        )

    def suggested(self, context: int | None) -> Suggestion:
        """The smallest multiple of `STEP` that cuts few rows and few tokens, within the context.

        The longest rows decide how much memory a batch takes, and a few of them are not
        worth it; but a row that is cut may lose the end of its answer, so only few may be.
        """
        import numpy as np

        longest = int(self._sorted[-1])
        limits = np.arange(STEP, longest + STEP, STEP)
        rows, tokens = self.counted(limits)
        enough = (rows <= ROWS_CUT * self.rows) & (tokens <= TOKENS_CUT * self.tokens)
        at = int(np.flatnonzero(enough)[0])
        limit = int(limits[at])
        if context is not None and limit > context:
            why = (
                f"the model's context; {limit:,} would cut at most {ROWS_CUT:.0%} of the rows and "
                f"{TOKENS_CUT:.1%} of the tokens"
            )
            return Suggestion(context, why)
        if not rows[at]:
            return Suggestion(limit, f"the smallest multiple of {STEP} that cuts no row")
        return Suggestion(
            limit,
            f"the smallest multiple of {STEP} that cuts at most {ROWS_CUT:.0%} of the rows and "
            f"{TOKENS_CUT:.1%} of the tokens",
        )
