"""Decides which prepared rows train and which evaluate, and in which order.

Everything here looks at lengths and marks only, never at tokens, and needs a few bytes of
memory per row.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place
from recipe_runner.execute.data.layout import EVAL, TRAIN, write_numbers
from recipe_runner.execute.data.mixing import held_out, order
from recipe_runner.plan import Plan
from recipe_runner.rows.codes.tokens import NO_ROWS_LEFT


def arrange(plan: Plan, folder: Path, lengths: Sequence[int]) -> None:
    """Write the order of training and evaluation rows, where it is not that of the tokens.

    `lengths` counts the prepared rows of each source, training and evaluation. Reports RR427.
    """
    data, out = plan.data, None
    lengths = lengths[: len(data.train)]
    if data.eval_split is not None:
        out = held_out(sum(lengths), data.eval_split, data.seed)
        if out is None:
            raise DiagnosticError(
                Diagnostic(
                    NO_ROWS_LEFT,
                    f"`data.eval.split` is {data.eval_split}, which leaves none of the "
                    f"{sum(lengths)} rows to train on",
                    Place(plan.recipe_path),
                    "hold out fewer rows",
                )
            )
        write_numbers(out, folder / EVAL)
    ordered = order(data, lengths, out)
    if ordered is not None:
        write_numbers(ordered, folder / TRAIN)
