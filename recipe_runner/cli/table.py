"""Rows of text in columns: the first to the left, the others as they are asked for."""

from __future__ import annotations

from collections.abc import Sequence

from recipe_runner.cli.layout import paint
from recipe_runner.cli.screen import visible

_GAP = "  "


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: frozenset[int] = frozenset({0}),
    color: bool = False,
) -> str:
    """A table with `heads`; columns that are not `left` are aligned to the right."""
    shown = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *shown, strict=True)]

    def line(cells: Sequence[str]) -> str:
        parts = [
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return ("  " + _GAP.join(parts)).rstrip()

    return "".join(f"{text}\n" for text in (paint(line(heads), "dim", color), *map(line, shown)))
