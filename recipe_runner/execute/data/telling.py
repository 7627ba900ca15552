"""What preparing says on the screen: how far it is, and what became of the rows."""

from __future__ import annotations

import time
from collections.abc import Iterator

from recipe_runner.execute.console import Console
from recipe_runner.execute.data.receipt import Receipt, SourceReceipt

EVERY = 3.0
"""Seconds between two lines while rows are prepared."""

_SHOWN = 3
"""Row numbers named for each reason."""


class Told:
    """Passes progress on as a line now and then; short work says nothing."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = time.monotonic() + EVERY

    def __call__(self, done: int, total: int) -> None:
        """Say how many of `total` rows are `done`, where the last time is long enough ago."""
        if time.monotonic() >= self._next:
            self._console.line(f"Preparing rows: {done:,} of {total:,}")
            self._next = time.monotonic() + EVERY


def summary(receipt: Receipt) -> Iterator[str]:
    """A line for all rows, and one more for each source that lost rows or tokens."""
    train = [source for source in receipt.sources if source.role == "train"]
    tokens = sum(source.tokens for source in train)
    trained = sum(source.trained_tokens for source in train)
    share = f", {trained / tokens:.0%} of them trained" if tokens else ""
    held = f", {receipt.eval_rows:,} rows to evaluate on" if receipt.eval_rows else ""
    how = "found in the cache" if receipt.cached else f"prepared in {receipt.seconds:.1f} s"
    yield f"{receipt.train_rows:,} rows to train on ({tokens:,} tokens{share}){held}; {how}"
    for source in receipt.sources:
        yield from _losses(source)


def _losses(source: SourceReceipt) -> Iterator[str]:
    if source.dropped:
        lost = sum(dropped.rows for dropped in source.dropped)
        reasons = "; ".join(
            f"{dropped.rows:,} {dropped.reason} ({_numbers(dropped.first, dropped.rows)})"
            for dropped in source.dropped
        )
        yield f"{source.path}: {lost:,} of {source.read:,} rows left out: {reasons}"
    if source.truncated_rows:
        yield (
            f"{source.path}: {source.truncated_rows:,} of {source.used:,} rows truncated, "
            f"by {source.truncated_tokens:,} tokens"
        )


def _numbers(first: tuple[int, ...], rows: int) -> str:
    shown = ", ".join(f"{number:,}" for number in first[:_SHOWN])
    more = ", ..." if rows > _SHOWN else ""
    return f"row{'s' if rows > 1 else ''} {shown}{more}"
