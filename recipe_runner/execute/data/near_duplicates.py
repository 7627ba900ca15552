"""Finds rows that nearly repeat earlier ones, by their MinHash signatures.

Rows are put into buckets by pieces of their signatures (bands), so that alike ones meet in
at least one bucket; only rows of a bucket are compared, by the share of equal numbers in
their whole signatures. Everything is done on columns, bucket by bucket at once.

Source: Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", section 3.4.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from recipe_runner.execute.data.signatures import SIZE

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any]

_FOUND = 0.95
"""Chance that two rows whose likeness is exactly the threshold meet in a bucket."""

_FEW = 8
_PAIRS = 1 << 15
"""Comparisons within one bucket, after the first `_FEW` rows were compared with all others.

Up to 180 rows are compared each with each. A larger bucket whose rows are unlike each other
holds a text that many rows share, such as a system prompt; rows that are alike beyond it
meet in other bands, where they are few."""

_AT_ONCE = 1 << 15
"""Pairs of signatures compared at once: 32 MiB."""


def bands_for(threshold: float) -> tuple[int, int]:
    """How many bands there are and how many numbers each has.

    The longest bands, and so the fewest comparisons, with which rows as alike as
    `threshold` still meet with a chance of `_FOUND`: 1 - (1 - threshold ** r) ** b.
    """
    for length in range(SIZE, 1, -1):
        bands = SIZE // length
        if 1 - (1 - threshold**length) ** bands >= _FOUND:
            return bands, length
    return SIZE, 1


def likeness(signatures: Numbers, one: Numbers, other: Numbers) -> Numbers:
    """The estimated Jaccard index of pairs of rows, given by their numbers."""
    import numpy as np

    found = np.empty(len(one))
    for begin in range(0, len(one), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        found[part] = (signatures[one[part]] == signatures[other[part]]).mean(axis=1)
    return found


def first_of_alike(
    signatures: Numbers, threshold: float, *, rows: Numbers, among: Numbers | None = None
) -> Numbers:
    """For each signature, the number of the one it nearly repeats, which may be itself.

    `rows` are the numbers that are looked at, ascending. Where `among` is None, each is
    compared with those before it, and what it repeats is never itself a repetition. Else
    `rows` are compared with `among` only. All others repeat themselves.
    """
    import numpy as np

    first = np.arange(len(signatures))
    pool = np.sort(rows) if among is None else np.concatenate([np.sort(among), np.sort(rows)])
    leads: Numbers = np.zeros(len(signatures), bool)
    leads[rows if among is None else among] = True
    bands, length = bands_for(threshold)
    for band in range(bands):
        pool = pool[first[pool] == pool]
        keys = _keys(signatures, pool, slice(band * length, (band + 1) * length))
        order = np.argsort(keys, kind="stable")
        members, bucket = pool[order], np.cumsum(np.diff(keys[order], prepend=keys[order][:1]) != 0)
        _link(first, signatures, threshold, members, bucket, leads, apart=among is not None)
    if among is None:
        _follow(first, signatures, threshold)
    return first


def _keys(signatures: Numbers, rows: Numbers, band: slice) -> Numbers:
    """A number for the band of each row; equal bands have equal numbers."""
    import numpy as np

    keys: Numbers = np.zeros(len(rows), np.uint64)
    for at in range(band.start, band.stop):
        keys = keys * np.uint64(0x9E3779B97F4A7C15) + signatures[rows, at]
        keys ^= keys >> np.uint64(31)
    return keys


def _link(
    first: Numbers,
    signatures: Numbers,
    threshold: float,
    members: Numbers,
    bucket: Numbers,
    leads: Numbers,
    *,
    apart: bool,
) -> None:
    """Compare the first of each bucket with the others, then the first of what is left.

    `apart` says that rows that lead are not compared with each other.
    """
    import numpy as np

    for done in count():
        if not len(members):
            return
        # Buckets of one row, and those in which nothing leads or nothing follows, are done.
        begins = np.concatenate([[True], bucket[1:] != bucket[:-1]])
        run = np.cumsum(begins) - 1
        starts = np.flatnonzero(begins)
        sizes = np.diff(starts, append=len(members))
        open_run = (sizes > 1) & leads[members[starts]]
        open_run &= (done < _FEW) | (done * sizes < _PAIRS)
        if apart:
            open_run &= ~leads[members[starts + sizes - 1]]
        inside = open_run[run]
        leaders = members[starts][run]
        follows = inside & ~begins
        if apart:
            follows &= ~leads[members]
        at = np.flatnonzero(follows)
        alike: Numbers = np.zeros(len(members), bool)
        alike[at] = likeness(signatures, members[at], leaders[at]) >= threshold
        first[members[alike]] = leaders[alike]
        left = inside & ~begins & ~alike
        members, bucket = members[left], bucket[left]


def _follow(first: Numbers, signatures: Numbers, threshold: float) -> None:
    """Where a row repeats one that is a repetition itself, name the row that stays.

    It counts only where the two are alike enough themselves: likeness is not passed on.
    """
    import numpy as np

    while True:
        rows = np.flatnonzero(first[first] != first)
        if not len(rows):
            return
        roots = first[first[rows]]
        # The shortest chains first: what they end in is settled.
        settled = first[roots] == roots
        rows, roots = rows[settled], roots[settled]
        first[rows] = np.where(likeness(signatures, rows, roots) >= threshold, roots, rows)
