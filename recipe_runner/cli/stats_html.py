"""The figures of data as one HTML page that needs nothing else.

There is no script, and nothing is fetched. Everything that came from the recipe is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from recipe_runner.cli.layout import counted
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
)

if TYPE_CHECKING:
    from recipe_runner.execute.stats import Bin, Cut, DataStats

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_LABELS = 10
"""Lengths written below the histogram, at most."""


def render(stats: DataStats) -> str:
    """The page."""
    style = (files("recipe_runner") / "cli" / "pages" / "stats.css").read_text(encoding="utf-8")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(stats.recipe)}: its data in figures</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{escape(stats.recipe)}</h1>
<p>{escape(headline(stats))}</p>
<p class="quiet">{escape(_sentence(amount(stats)))}</p>
{_suggestion(stats)}
</header>
<main>
<h2>Lengths</h2>
<p class="quiet">In tokens, nothing cut off. So many percent of the rows are at most as long:</p>
{_percentiles(stats)}
{_histogram(stats)}
<h2>What a max_length would cut</h2>
{_cuts(stats)}
<h2>Real tokens among those computed</h2>
<p class="quiet">{escape(_sentence(batch_words(stats)))} The rest is padding.</p>
{_filling(stats)}
<h2>Sources</h2>
{_sources(stats)}
{_notes(stats)}
</main>
</body>
</html>
"""


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _suggestion(stats: DataStats) -> str:
    if stats.suggestion is None:
        return ""
    length, why = f"{stats.suggestion.max_length:,}", _sentence(stats.suggestion.why)
    return f'<p class="best">Suggested max_length: <b>{length}</b><br>{escape(why)}</p>'


def _percentiles(stats: DataStats) -> str:
    items = "".join(
        f"<li><b>{value:,}</b><span>{_percent_name(name)}</span></li>"
        for name, value in stats.percentiles.items()
    )
    return f'<ul class="facts">{items}</ul>'


def _percent_name(name: str) -> str:
    return "longest" if name == "max" else f"{name[1:]}% of rows"


def _histogram(stats: DataStats) -> str:
    bins = stats.histogram
    most = max(bin.rows for bin in bins)
    bars = "".join(
        f'<rect x="{at + 0.04:g}" y="{100 - height:.2f}" width="0.92" height="{height:.2f}">'
        f"<title>{lengths_of(bin)} tokens: {counted(bin.rows, 'row')}, {bin.tokens:,} tokens"
        "</title></rect>"
        for at, bin in enumerate(bins)
        if (height := _height(bin.rows, most))
    )
    scale = " Bins widen with the length." if stats.logarithmic else ""
    return (
        '<figure><div class="plot">'
        f'<svg viewBox="0 0 {len(bins)} 100" preserveAspectRatio="none" role="img" '
        f'aria-label="Rows by length">{bars}</svg>{"".join(_marks(stats))}</div>'
        f'<div class="axis">{_axis(bins)}</div>'
        f"<figcaption>Rows by length in tokens; the highest bar is {counted(most, 'row')}."
        f"{scale}</figcaption></figure>"
    )


def _height(rows: int, most: int) -> float:
    # A single row among a million still has to be seen.
    return max(100 * rows / most, 0.6) if rows else 0


def _marks(stats: DataStats) -> Iterator[str]:
    """Lines through the histogram, at the recipe's length and at the suggested one."""
    wanted = {"max_length": stats.max_length}
    if stats.suggestion is not None:
        if stats.suggestion.max_length == stats.max_length:
            wanted = {"max_length, as suggested": stats.max_length}
        else:
            wanted["suggested"] = stats.suggestion.max_length
    for number, (name, length) in enumerate(wanted.items()):
        if length is None:
            continue
        at = 100 * _position(stats.histogram, length)
        beyond = length > stats.histogram[-1].end
        kinds = " ".join(["mark"] + ["low"] * (number > 0) + ["flip"] * (at > 55))
        arrow = " \u2192" if beyond else ""
        yield (
            f'<div class="{kinds}" style="left:{at:.2f}%"><span>{name} {length:,}{arrow}</span></div>'
        )


def _position(bins: Sequence[Bin], length: int) -> float:
    """Where a length is between the left end of the bins, 0, and the right, 1."""
    for at, bin in enumerate(bins):
        if length <= bin.end:
            inside = (length - bin.begin) / (bin.end + 1 - bin.begin)
            return (at + max(0.0, inside)) / len(bins)
    return 1.0


def _axis(bins: Sequence[Bin]) -> str:
    edges = [bin.begin for bin in bins] + [bins[-1].end + 1]
    every = -(-len(edges) // _LABELS)
    shown = [at for at in range(0, len(edges), every) if at == 0 or at + every / 2 < len(edges) - 1]
    shown.append(len(edges) - 1)
    return "".join(
        f'<span{_minor(number, at, len(edges))} style="left:{100 * at / len(bins):.2f}%">'
        f"{edges[at]:,}</span>"
        for number, at in enumerate(shown)
    )


def _minor(number: int, at: int, edges: int) -> str:
    return ' class="minor"' if number % 2 and at != edges - 1 else ""


def _cuts(stats: DataStats) -> str:
    rows = "".join(_cut(cut, stats) for cut in stats.cuts)
    heads = "".join(
        f"<th{' class=text' if not head else ''}>{escape(head)}</th>" for head in CUT_HEADS
    )
    return f'<div class="scroll"><table><tr>{heads}</tr>{rows}</table></div>'


def _cut(cut: Cut, stats: DataStats) -> str:
    ours = ' class="ours"' if cut.max_length == stats.max_length else ""
    return (
        f"<tr{ours}><td>{cut.max_length:,}</td><td>{cut.rows:,}</td>"
        f"<td>{escape(share(cut.rows_share))}{_meter(cut.rows_share, 'cut')}</td>"
        f"<td>{cut.tokens:,}</td>"
        f"<td>{escape(share(cut.tokens_share))}{_meter(cut.tokens_share, 'cut')}</td>"
        f'<td class="text">{escape(", ".join(cut.notes))}</td></tr>'
    )


def _filling(stats: DataStats) -> str:
    heads = "".join(f"<th>{escape(head)}</th>" for head in FILLING_HEADS)
    rows = ""
    for each in stats.filling:
        ours = ' class="ours"' if each.max_length == stats.max_length else ""
        cells = "".join(
            f"<td>{escape(share(value))}{_meter(value, 'full')}</td>"
            for value in (each.padded, each.grouped, each.packed)
        )
        rows += f"<tr{ours}><td>{each.max_length:,}</td>{cells}</tr>"
    return f'<div class="scroll"><table><tr>{heads}</tr>{rows}</table></div>'


def _meter(value: float, kind: str) -> str:
    return (
        f'<svg class="{kind}" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="{100 * value:.2f}" height="1"/></svg>'
    )


def _sources(stats: DataStats) -> str:
    heads = ("", "rows", "tokens", "trained", "in an epoch", "of its tokens")
    row = ""
    for source in stats.sources:
        trains = source.role == "train"
        epoch = f"{source.epoch_rows:,}" if trains else "-"
        part = f"{escape(share(source.share))}{_meter(source.share, 'part')}" if trains else "-"
        row += (
            f'<tr><td class="text">{escape(source_name(source))}</td><td>{source.rows:,}</td>'
            f"<td>{source.tokens:,}</td>"
            f"<td>{escape(share(source.trained_tokens / max(1, source.tokens)))}</td>"
            f"<td>{epoch}</td><td>{part}</td></tr>"
        )
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    return f'<div class="scroll"><table><tr>{head}</tr>{row}</table></div>'


def _notes(stats: DataStats) -> str:
    told = [f"{source_name(source)}: {text}" for source in stats.sources for text in losses(source)]
    told += [
        f"{source_name(source)}: {text}, compared exactly"
        for source in stats.sources
        for text in copies(source)
    ]
    told += remarks(stats)
    if not told:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in told)
    return f'<h2>Rows lost, cut and repeated</h2>\n<ul class="notes">{items}</ul>'
