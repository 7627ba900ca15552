"""The figures of data in words: what the page on a terminal and the one for a browser share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from recipe_runner.cli.layout import counted, short_path

if TYPE_CHECKING:
    from recipe_runner.execute.stats import Bin, DataStats, SourceStats

CUT_HEADS = ("max_length", "rows cut", "share", "tokens cut", "share", "")
FILLING_HEADS = ("max_length", "as they come", "by length", "bfd packs")

_REPEATS = {
    "duplicate": ("a duplicate", "duplicates"),
    "leaked": ("an evaluation row as well", "evaluation rows as well"),
}


def share(value: float) -> str:
    """A share in percent, with more digits where it is small; never 0 for some, or 100 for not all."""
    if value in (0, 1):
        return f"{value:.0%}"
    if value < 0.0005:
        return "<0.1%"
    return ">99.9%" if value > 0.9995 else f"{value:.1%}"


def headline(stats: DataStats) -> str:
    """What trains, in one line."""
    held = f", {counted(stats.eval_rows, 'row')} to evaluate on" if stats.eval_rows else ""
    return f"{counted(stats.train_rows, 'row')} an epoch to train on{held}"


def amount(stats: DataStats) -> str:
    """The different rows and their tokens."""
    return (
        f"{counted(stats.rows, 'row')} with {stats.tokens:,} tokens in full, {stats.mean:,.0f} "
        f"each on average; {share(stats.trained_share)} of the tokens train"
    )


def lengths_of(bin: Bin) -> str:
    """The lengths of a bin, such as 64-127."""
    return f"{bin.begin:,}" if bin.begin == bin.end else f"{bin.begin:,}-{bin.end:,}"


def batch_words(stats: DataStats) -> str:
    """What the shares of real tokens are of."""
    drawn = f", from {stats.sampled:,} rows drawn" if stats.sampled else ""
    return f"batches of {stats.batch} on a device{drawn}"


def suggestion_words(stats: DataStats) -> str:
    """The suggested length, and why."""
    if stats.suggestion is None:
        return ""
    return f"max_length {stats.suggestion.max_length:,}: {stats.suggestion.why}"


def remarks(stats: DataStats) -> Iterator[str]:
    """What has to be known to read the figures right."""
    if stats.packing in ("bfd_split", "wrapped"):
        yield (
            f"packing {stats.packing} cuts longer rows into pieces and loses none of their "
            "tokens: what is cut goes on in another piece"
        )
    elif stats.overlong == "split":
        yield "overlong split makes several rows of longer ones: no token is lost"
    if stats.unknown:
        yield (
            f"{counted(stats.unknown, 'row')} longer than {stats.max_length:,} tokens left out "
            "by overlong drop are missing here; `--set data.overlong=truncate` counts them"
        )


def losses(source: SourceStats) -> Iterator[str]:
    """What became of rows of a source that do not train as they are."""
    for dropped in source.dropped:
        yield f"{counted(dropped.rows, 'row')} of {source.read:,} left out: {dropped.reason}"
    if source.truncated_rows:
        cut = counted(source.truncated_tokens, "token")
        yield f"{counted(source.truncated_rows, 'row')} truncated, by {cut}"
    for each in source.repeated:
        one, many = _REPEATS[each.reason]
        what = one if each.rows == 1 else many
        done = "removed" if each.removed else "found"
        yield f"{counted(each.rows, 'row')} {done} as {what}"


def copies(source: SourceStats) -> Iterator[str]:
    """How many rows repeat others exactly."""
    found = source.copies
    # What preparing compared by likeness includes what is equal.
    known = {each.reason for each in source.repeated}
    for count, what in (
        (found.within, "repeat an earlier row of this source"),
        (found.across, "repeat a row of an earlier source"),
        (0 if "leaked" in known else found.evaluated, "are evaluation rows as well"),
    ):
        if count:
            yield f"{counted(count, 'row')} {_one(what) if count == 1 else what}"


def source_name(source: SourceStats) -> str:
    """The path of a source, and whether it evaluates."""
    return short_path(source.path) + (" (eval)" if source.role == "eval" else "")


def _one(words: str) -> str:
    if words.startswith("are evaluation rows"):
        return "is an evaluation row as well"
    return words.replace("repeat", "repeats", 1)
