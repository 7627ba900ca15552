"""How much of what is computed are real tokens, for each way to make batches.

Batches are simulated from lengths, at most `MOST` of them, drawn with the recipe's seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recipe_runner.execute.data.packing import pieces_of
from recipe_runner.execute.stats.figures import Filling

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any]

MOST = 100_000
"""Rows that are enough to know the shares to a tenth of a percent."""


def drawn(lengths: Numbers, seed: int) -> Numbers:
    """The lengths in random order, at most `MOST` of them."""
    import numpy as np

    mixed: Numbers = lengths[np.random.default_rng(seed).permutation(len(lengths))[:MOST]]
    return mixed


def filling(lengths: Numbers, limit: int, batch: int) -> Filling:
    """The share of real tokens at `limit`, with `lengths` in random order."""
    import numpy as np

    cut = np.minimum(lengths, limit)
    total = int(cut.sum(dtype=np.int64))
    packs = len(pieces_of("bfd", cut, limit).starts) - 1
    return Filling(
        limit,
        padded=total / _computed(cut, batch),
        grouped=total / _computed(_grouped(cut, batch), batch),
        packed=total / max(1, packs * limit),
    )


def _computed(lengths: Numbers, batch: int) -> int:
    """Tokens in batches of rows that are padded to the longest of their batch."""
    import numpy as np

    whole = len(lengths) // batch * batch
    full = lengths[:whole].reshape(-1, batch)
    rest = lengths[whole:]
    computed = int(full.max(axis=1).sum(dtype=np.int64)) * batch if whole else 0
    return max(1, computed + (int(rest.max()) * len(rest) if len(rest) else 0))


def _grouped(lengths: Numbers, batch: int) -> Numbers:
    """Sorted by length within groups of batches, as transformers' `LengthGroupedSampler` does."""
    import numpy as np

    batches = min(len(lengths) // (batch * 4), 50) or 1
    group: Numbers = np.arange(len(lengths)) // (batches * batch)
    ordered: Numbers = lengths[np.lexsort((-lengths.astype(np.int64), group))]
    return ordered
