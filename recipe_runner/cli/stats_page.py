"""The figures of data on a terminal: bars of blocks, tables, and one suggestion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from recipe_runner.cli.layout import Line, labelled, paint
from recipe_runner.cli.stats_words import (
    CUT_HEADS,
    FILLING_HEADS,
    amount,
    batch_words,
    copies,
    headline,
    lengths_of,
    losses,
    remarks,
    share,
    source_name,
    suggestion_words,
)
from recipe_runner.cli.table import table

if TYPE_CHECKING:
    from recipe_runner.execute.stats import DataStats

_EIGHTHS = " \u258f\u258e\u258d\u258c\u258b\u258a\u2589"
_FULL = "\u2588"
_WIDEST = 48
"""Columns of the longest bar."""


def page(stats: DataStats, *, width: int, color: bool = False, blocks: bool = True) -> str:
    """All figures, at most `width` columns wide. `blocks` says that the stream can show blocks."""
    parts = [
        paint(f"{stats.recipe}: {headline(stats)}", "bold", color) + "\n" + _filled(stats, width),
        _heading("Lengths in tokens, nothing cut off", color) + _percentiles(stats, color),
        _histogram(stats, width, color, blocks),
        _heading("What a max_length would cut", color) + _cuts(stats, color),
        _heading(f"Real tokens among those computed, {batch_words(stats)}", color)
        + _filling(stats, color),
        _heading("Sources", color) + _sources(stats, color),
        labelled(_lines(stats), width, color),
    ]
    return "\n".join(part for part in parts if part)


def _heading(text: str, color: bool) -> str:
    return paint(text, "bold", color) + "\n"


def _filled(stats: DataStats, width: int) -> str:
    import textwrap

    return (
        textwrap.fill(amount(stats), width - 2, initial_indent="  ", subsequent_indent="  ") + "\n"
    )


def _percentiles(stats: DataStats, color: bool) -> str:
    names = [name.replace("p", "") + "%" if name != "max" else name for name in stats.percentiles]
    values = [f"{value:,}" for value in stats.percentiles.values()]
    return table(("of rows", *names), [("up to", *values)], color=color)


def _histogram(stats: DataStats, width: int, color: bool, blocks: bool) -> str:
    names = [lengths_of(bin) for bin in stats.histogram]
    counts = [f"{bin.rows:,}" for bin in stats.histogram]
    first, second = max(6, *map(len, names)), max(4, *map(len, counts))
    room = max(8, min(_WIDEST, width - first - second - 8))
    most = max(bin.rows for bin in stats.histogram)
    scale = " (bins widen with the length)" if stats.logarithmic else ""
    lines = [paint(f"  {'tokens':>{first}}  {'rows':>{second}}{scale}", "dim", color)]
    for name, count, bin in zip(names, counts, stats.histogram, strict=True):
        bar = _bar(bin.rows / most, room, blocks)
        lines.append(f"  {name:>{first}}  {count:>{second}}  {bar}".rstrip())
    return "\n".join(lines) + "\n"


def _bar(part: float, room: int, blocks: bool) -> str:
    if not blocks:
        return "#" * max(round(part * room), 1 if part else 0)
    eighths = max(round(part * room * 8), 1 if part else 0)
    return _FULL * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _cuts(stats: DataStats, color: bool) -> str:
    rows = [
        (
            f"{cut.max_length:,}",
            f"{cut.rows:,}",
            share(cut.rows_share),
            f"{cut.tokens:,}",
            share(cut.tokens_share),
            ", ".join(cut.notes),
        )
        for cut in stats.cuts
    ]
    return table(CUT_HEADS, rows, left=frozenset({5}), color=color)


def _filling(stats: DataStats, color: bool) -> str:
    rows = [
        (f"{each.max_length:,}", share(each.padded), share(each.grouped), share(each.packed))
        for each in stats.filling
    ]
    return table(FILLING_HEADS, rows, left=frozenset(), color=color)


def _sources(stats: DataStats, color: bool) -> str:
    rows = []
    for source in stats.sources:
        trains = source.role == "train"
        rows.append(
            (
                source_name(source),
                f"{source.rows:,}",
                f"{source.tokens:,}",
                share(source.trained_tokens / max(1, source.tokens)),
                f"{source.epoch_rows:,}" if trains else "-",
                share(source.share) if trains else "-",
            )
        )
    heads = ("", "rows", "tokens", "trained", "in an epoch", "of its tokens")
    return table(heads, rows, color=color)


def _lines(stats: DataStats) -> Iterator[Line]:
    for source in stats.sources:
        for text in losses(source):
            yield "rows", f"{source_name(source)}: {text}"
        for text in copies(source):
            yield "exact copies", f"{source_name(source)}: {text}"
    for text in remarks(stats):
        yield "note", text
    if words := suggestion_words(stats):
        yield "suggested", words
