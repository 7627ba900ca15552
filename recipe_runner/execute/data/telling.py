"""What preparing says on the screen: how far it is, and what became of the rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from recipe_runner.diagnostics import Diagnostic
from recipe_runner.execute.console import Console
from recipe_runner.execute.data.explain import Explanation
from recipe_runner.execute.data.leakage import leakage
from recipe_runner.execute.data.receipt import PackReceipt, Receipt, Repeated, SourceReceipt
from recipe_runner.execute.screen import duration
from recipe_runner.plan import Plan

EVERY = 3.0
"""Seconds between two lines while rows are prepared."""

_SETTLED = 2.0
"""Seconds after which a pace means something: the first results come all at once."""

_SHOWN = 3
"""Row numbers named for each reason."""


class Told:
    """Passes progress on as a line now and then; short work says nothing."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._pace = Pace()
        self._next = time.monotonic() + EVERY
        self._said = False

    def __call__(self, done: int, total: int) -> None:
        """Say how many of `total` rows are `done`, where the last time is long enough ago."""
        speed, left = self._pace(done, total)
        now = time.monotonic()
        # Whoever saw a part of the rows go by sees the last of them too.
        if now >= self._next or (self._said and done == total):
            at = "" if speed is None else f", {speed:,.0f} rows/s"
            ahead = "" if left is None or done == total else f", {duration(left)} left"
            self._console.line(f"Preparing rows: {done:,} of {total:,}{at}{ahead}")
            self._next, self._said = now + EVERY, done < total


class Pace:
    """How fast rows are done, counted from the first result: loading libraries is no pace."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None

    def __call__(self, done: int, total: int) -> tuple[float | None, float | None]:
        """Rows per second, and the seconds that the rest takes; None where it is not known yet."""
        now = time.monotonic()
        if self._first is None:
            self._first = done, now
        rows, seconds = done - self._first[0], now - self._first[1]
        if rows <= 0 or seconds < _SETTLED:
            return None, None
        return rows / seconds, (total - done) * seconds / rows


def because(console: Console) -> Callable[[Explanation], None]:
    """Says, in a line, why rows that were prepared before are prepared again."""

    def told(explanation: Explanation) -> None:
        if (line := explanation.line()) is not None:
            console.line(line)

    return told


def summary(receipt: Receipt) -> Iterator[str]:
    """A line for all rows, and more for each source that lost rows or tokens."""
    tokens = receipt.train_tokens
    trained = receipt.trained_tokens
    # Prompts alone have no token that trains: their answers do.
    share = f", {trained / tokens:.0%} of them trained" if trained else ""
    held = f", {receipt.eval_rows:,} rows to evaluate on" if receipt.eval_rows else ""
    how = "found in the cache" if receipt.cached else f"prepared in {receipt.seconds:.1f} s"
    yield f"{receipt.train_rows:,} rows to train on ({tokens:,} tokens{share}){held}; {how}"
    for packs, what in ((receipt.train_packs, "train"), (receipt.eval_packs, "evaluate")):
        if packs is not None:
            yield _packed(packs, what)
    for source in receipt.sources:
        yield from _losses(source)
        yield from repeated_lines(source, receipt)


def warnings(plan: Plan, receipt: Receipt) -> Iterator[Diagnostic]:
    """What is odd about data that were prepared, each time they are used: RR460."""
    found = leakage(plan, [source.repeated for source in receipt.sources])
    if found is not None:
        yield found


def _packed(packs: PackReceipt, what: str) -> str:
    return (
        f"{packs.packs:,} packs of up to {packs.capacity:,} tokens to {what} on, {packs.fill:.1%} "
        f"full: {packs.rows:,} rows in {packs.pieces:,} pieces"
    )


def repeated_lines(source: SourceReceipt, receipt: Receipt) -> Iterator[str]:
    """A line for each kind of repeated rows that were removed from the source."""
    return (_removed(source, each, receipt) for each in source.removed)


def _losses(source: SourceReceipt) -> Iterator[str]:
    if source.dropped:
        lost = sum(dropped.rows for dropped in source.dropped)
        reasons = "; ".join(
            f"{dropped.rows:,} {dropped.reason} ({_numbers(dropped.first, dropped.rows)})"
            for dropped in source.dropped
        )
        yield f"{source.path}: {lost:,} of {source.read:,} rows left out: {reasons}"
    for kept in source.kept:
        numbers = _numbers(kept.first, kept.rows)
        yield f"{source.path}: {kept.rows:,} {kept.reason} kept ({numbers})"
    if source.truncated_rows:
        yield (
            f"{source.path}: {source.truncated_rows:,} of {source.used:,} rows truncated, "
            f"by {source.truncated_tokens:,} tokens"
        )


def _removed(source: SourceReceipt, each: Repeated, receipt: Receipt) -> str:
    what = "evaluation rows as well" if each.reason == "leaked" else "duplicates"
    named = []
    for row, there, other in each.first[:_SHOWN]:
        path = receipt.sources[there].path
        of = "" if path == source.path else f" of {path}"
        named.append(f"row {row:,} repeats row {other:,}{of}")
    more = ", ..." if each.rows > _SHOWN else ""
    return (
        f"{source.path}: {each.rows:,} of {source.used:,} rows removed as {what}: "
        f"{', '.join(named)}{more}"
    )


def _numbers(first: tuple[int, ...], rows: int) -> str:
    shown = ", ".join(f"{number:,}" for number in first[:_SHOWN])
    more = ", ..." if rows > _SHOWN else ""
    return f"row{'s' if rows > 1 else ''} {shown}{more}"
