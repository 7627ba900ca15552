"""Rows of text in columns: the first to the left, the others as they are asked for."""

from __future__ import annotations

from collections.abc import Sequence

from recipe_runner.cli.layout import paint
from recipe_runner.cli.screen import visible

_GAP = "  "
_NARROWEST = 12
"""Columns that a shortened cell keeps."""


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: frozenset[int] = frozenset({0}),
    color: bool = False,
    width: int | None = None,
) -> str:
    """A table with `heads`; columns that are not `left` are aligned to the right.

    Where it is wider than `width`, the first cells of the rows lose their beginning.
    """
    shown = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *shown, strict=True)]
    over = 0 if width is None else len(_GAP) * len(widths) + sum(widths) - width
    if over > 0:
        widths[0] = max(len(heads[0]), _NARROWEST, widths[0] - over)
        shown = [[_ending(row[0], widths[0]), *row[1:]] for row in shown]

    def line(cells: Sequence[str]) -> str:
        parts = [
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return ("  " + _GAP.join(parts)).rstrip()

    return "".join(f"{text}\n" for text in (paint(line(heads), "dim", color), *map(line, shown)))


def _ending(cell: str, width: int) -> str:
    return cell if len(cell) <= width else f"...{cell[len(cell) - width + 3 :]}"
