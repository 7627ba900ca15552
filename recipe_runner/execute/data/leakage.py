"""Tells that training rows are evaluation rows as well."""

from __future__ import annotations

from collections.abc import Sequence

from recipe_runner.diagnostics import Code, Diagnostic, Place
from recipe_runner.execute.data.codes import LEAKAGE, LEAKAGE_REFUSED
from recipe_runner.execute.data.receipt import Repeated
from recipe_runner.plan import Plan

_SHOWN = 3
"""Pairs of rows that are named for each source."""


def leakage(plan: Plan, repeated: Sequence[Sequence[Repeated]]) -> Diagnostic | None:
    """RR460, or RR461 where the recipe refuses leakage; None where there is none to report.

    `repeated` has what is known of each source, training first.
    """
    sources = (*plan.data.train, *plan.data.eval)
    refused = plan.data.leakage == "error"
    found = [
        (source, each)
        for source, known in zip(sources, repeated, strict=False)
        for each in known
        if each.reason == "leaked" and not each.removed
    ]
    if not found:
        return None
    method = plan.data.deduplicate
    near = method is not None and method.method == "near"
    named = "; ".join(
        ", ".join(
            f"row {row:,} of `{source.path}` {'repeats' if near else 'is'} "
            f"row {other:,} of `{sources[there].path}`"
            for row, there, other in each.first[:_SHOWN]
        )
        + (f" and {each.rows - _SHOWN:,} more" if each.rows > _SHOWN else "")
        for source, each in found
    )
    count = sum(each.rows for _, each in found)
    are = "row is an evaluation row" if count == 1 else "rows are evaluation rows"
    nearly = ", or nearly so" if near else ""
    code: Code = LEAKAGE_REFUSED if refused else LEAKAGE
    return Diagnostic(
        code,
        f"{count:,} training {are} as well{nearly}: {named}",
        Place(plan.recipe_path),
        "write `data.leakage: drop` to train without them"
        + ("" if refused else ", or `error` to stop; `ignore` says nothing"),
    )
