"""What `prepare` says at the end: what became of every row, and where the result is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from recipe_runner.cli.layout import Line, labelled, paint, short_path
from recipe_runner.cli.table import table
from recipe_runner.execute.data.ensure import Ensured
from recipe_runner.execute.data.explain import short
from recipe_runner.execute.data.receipt import Dropped, Receipt, SourceReceipt
from recipe_runner.execute.data.shares import given
from recipe_runner.execute.data.telling import repeated_lines
from recipe_runner.plan import Plan

_HEADS = ("", "available", "read", "used", "rows", "tokens", "trained", "share", "longest")
_NUMBERS = 5
"""Row numbers that are named for each reason."""


def page(plan: Plan, ensured: Ensured, receipt: Receipt, *, width: int, color: bool = False) -> str:
    """The receipt as a table and the lines that belong to it."""
    rows = [_row(source) for source in receipt.sources]
    text = table(_HEADS, rows, color=color, width=width) + "\n"
    text += labelled(_losses(receipt), width, color)
    if len(plan.data.train) > 1:
        text += labelled((("gives", line) for line in given(plan, ensured.entry)), width, color)
    return text + labelled(_result(ensured, receipt), width, color)


def as_json(ensured: Ensured, receipt: Receipt) -> dict[str, Any]:
    """The same as JSON values, with all that is known of why the cache hit or missed."""
    explanation = ensured.explanation
    return {
        **asdict(receipt),
        "folder": str(ensured.entry.folder),
        "rows_per_second": _speed(ensured, receipt),
        "explanation": {
            "hit": explanation.hit,
            "entry": explanation.entry,
            "built_for": explanation.by,
            "built": explanation.built,
            "differences": list(explanation.differences),
        },
    }


def heading(name: str, color: bool) -> str:
    """The first line."""
    return paint(f"{name}: prepared data", "bold", color) + "\n"


def _row(source: SourceReceipt) -> tuple[str, ...]:
    share = f"{source.trained_tokens / source.tokens:.1%}" if source.tokens else "-"
    counts = (source.available, source.read, source.used, source.rows)
    lengths = (source.tokens, source.trained_tokens)
    role = "" if source.role == "train" else " (eval)"
    return (
        short_path(source.path) + role,
        *(f"{count:,}" for count in (*counts, *lengths)),
        share,
        f"{source.longest:,}",
    )


def _losses(receipt: Receipt) -> Iterator[Line]:
    for source in receipt.sources:
        name = short_path(source.path)
        for dropped in source.dropped:
            yield "dropped", f"{name}: {_counted(dropped)} of {source.read:,}"
        for kept in source.kept:
            yield "kept", f"{name}: {_counted(kept)} of {source.read:,}"
        if source.truncated_rows:
            cut = f"{source.truncated_rows:,} of {source.used:,} rows"
            yield "truncated", f"{name}: {cut}, by {source.truncated_tokens:,} tokens"
        for line in repeated_lines(source, receipt):
            yield "repeated", line


def _counted(dropped: Dropped) -> str:
    named = ", ".join(f"{number:,}" for number in dropped.first[:_NUMBERS])
    more = ", ..." if dropped.rows > len(dropped.first[:_NUMBERS]) else ""
    rows = "row" if dropped.rows == 1 else "rows"
    return f"{dropped.rows:,} {dropped.reason} ({rows} {named}{more})"


def _result(ensured: Ensured, receipt: Receipt) -> Iterator[Line]:
    yield "to train", f"{receipt.train_rows:,} rows"
    if receipt.eval_rows:
        yield "to evaluate", f"{receipt.eval_rows:,} rows"
    for role, packs in (("train", receipt.train_packs), ("eval", receipt.eval_packs)):
        if packs is not None:
            size = f"{packs.packs:,} packs of up to {packs.capacity:,} tokens"
            yield "packed", f"{role}: {packs.rows:,} rows in {size}, {packs.fill:.1%} full"
    yield "cache", short_path(str(ensured.entry.folder))
    key = short(receipt.key)
    if ensured.cached:
        yield "key", f"{key}, found in {ensured.seconds:.2f} s"
        return
    processes = "1 process" if receipt.processes == 1 else f"{receipt.processes} processes"
    speed = f"{_speed(ensured, receipt) or 0:,.0f} rows/s"
    yield "key", f"{key}, built in {ensured.seconds:.1f} s by {processes} ({speed})"


def _speed(ensured: Ensured, receipt: Receipt) -> float | None:
    """Rows of the sources per second; None where none was read."""
    if ensured.cached or ensured.seconds <= 0:
        return None
    return sum(source.read for source in receipt.sources) / ensured.seconds
