"""Decides which prepared rows train and which evaluate, and in which order.

First training rows that repeat earlier ones are removed, then the evaluation rows are split
off, then training rows that are evaluated on as well are looked for, and what is left is
put in order. Everything here looks at columns of lengths and marks only, never at tokens,
and needs some tens of bytes of memory per row.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place
from recipe_runner.execute.data.layout import EVAL, TRAIN, write_numbers
from recipe_runner.execute.data.leakage import leakage
from recipe_runner.execute.data.mixing import held_out, order
from recipe_runner.execute.data.receipt import Repeated
from recipe_runner.execute.data.repeats import NOTHING, Repeats
from recipe_runner.plan import DataPlan, DeduplicatePlan, Plan
from recipe_runner.rows.codes.tokens import NO_ROWS_LEFT

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any]


def arrange(
    plan: Plan, folder: Path, lengths: Sequence[int], signatures: Path
) -> list[tuple[Repeated, ...]]:
    """Write the order of training and evaluation rows, where it is not that of the tokens.

    `lengths` counts the prepared rows of each source, training and evaluation;
    `signatures` is the file of their signatures, where rows are compared by likeness.
    Returns, for each source, what became of rows that repeat others. Reports RR427, RR461.
    """
    data = plan.data
    train = len(data.train)
    repeats = Repeats(folder, lengths, train, data.deduplicate or DeduplicatePlan(), signatures)
    told: list[tuple[Repeated, ...]] = [() for _ in lengths]
    gone = None
    if data.deduplicate is not None:
        repeated = repeats.among_training()
        gone = repeated != NOTHING
        _tell(told, repeats.told("duplicate", repeated, removed=True))
    if data.eval_split is not None:
        evaluated = _split(plan, repeats, gone)
        write_numbers(evaluated, folder / EVAL)
        gone = _and(repeats, gone, evaluated)
    if data.eval and data.leakage != "ignore":
        gone = _without_leaked(plan, repeats, gone, told)
    if gone is not None and gone.all():
        raise DiagnosticError(_none_left(plan, repeats.trained))
    ordered = order(data, lengths[:train], None if gone is None else gone.nonzero()[0])
    if ordered is not None:
        write_numbers(ordered, folder / TRAIN)
    return told


def signs(data: DataPlan) -> bool:
    """True where rows are compared by their signatures, so that they are written."""
    return data.deduplicate is not None and data.deduplicate.method == "near"


def _split(plan: Plan, repeats: Repeats, gone: Numbers | None) -> Numbers:
    import numpy as np

    data = plan.data
    assert data.eval_split is not None
    rows = np.arange(repeats.trained) if gone is None else np.flatnonzero(~gone)
    out = held_out(repeats.equal[rows], data.eval_split, data.seed)
    if out is None:
        raise DiagnosticError(
            Diagnostic(
                NO_ROWS_LEFT,
                f"`data.eval.split` is {data.eval_split}, which leaves none of the "
                f"{len(rows)} rows to train on",
                Place(plan.recipe_path),
                "hold out fewer rows",
            )
        )
    evaluated: Numbers = rows[out]
    return evaluated


def _without_leaked(
    plan: Plan, repeats: Repeats, gone: Numbers | None, told: list[tuple[Repeated, ...]]
) -> Numbers | None:
    import numpy as np

    rows = np.arange(repeats.trained) if gone is None else np.flatnonzero(~gone)
    leaked = repeats.of_evaluation(rows)
    drop = plan.data.leakage == "drop"
    _tell(told, repeats.told("leaked", leaked, removed=drop))
    if plan.data.leakage == "error" and (found := leakage(plan, told)) is not None:
        raise DiagnosticError(found)
    leaks = np.flatnonzero(leaked != NOTHING)
    return _and(repeats, gone, leaks) if drop and len(leaks) else gone


def _and(repeats: Repeats, gone: Numbers | None, rows: Numbers) -> Numbers:
    """The rows that are gone, and `rows` as well."""
    import numpy as np

    both = np.zeros(repeats.trained, bool) if gone is None else gone.copy()
    both[rows] = True
    return both


def _tell(told: list[tuple[Repeated, ...]], more: Any) -> None:
    for number, each in enumerate(more):
        if each is not None:
            told[number] = (*told[number], each)


def _none_left(plan: Plan, rows: int) -> Diagnostic:
    return Diagnostic(
        NO_ROWS_LEFT,
        f"all {rows:,} training rows are evaluation rows as well, and `data.leakage` is drop",
        Place(plan.recipe_path),
        "evaluate on other rows than the training rows",
    )
