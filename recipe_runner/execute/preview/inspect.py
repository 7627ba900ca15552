"""What is compared before a training: the golden rows, and training with serving."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recipe_runner.diagnostics import Diagnostic, DiagnosticError
from recipe_runner.execute.preview.desk import Desk, streams_from_elsewhere
from recipe_runner.execute.preview.golden import compare, diagnostic
from recipe_runner.execute.preview.parity import parity_findings, rows_to_compare
from recipe_runner.plan import Plan
from recipe_runner.rows.golden import decode, named

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def inspect(plan: Plan, tokenizer: PreTrainedTokenizerBase) -> tuple[Diagnostic, ...]:
    """Warnings about the tokens of `plan`; raises `DiagnosticError` where there are errors.

    Reports RR451 to RR453. Reads the first rows of each data set, and takes no longer for
    more of them. Rows that are streamed from elsewhere are not compared.
    """
    if streams_from_elsewhere(plan):
        return ()
    with Desk.opened(plan, tokenizer, head=True) as desk:
        found: list[Diagnostic] = []
        rows: dict[int, list[int]] = {}
        if plan.golden is not None:
            golden = decode(Path(plan.golden).read_text(encoding="utf-8"))
            comparison = compare(desk, golden)
            if comparison.differences:
                found.append(diagnostic(comparison, plan))
            places = {name: place for place, (name, _) in enumerate(named(plan.data))}
            for row in golden.rows:
                if row.source in places:
                    rows.setdefault(places[row.source], []).append(row.row)
        found += parity_findings(desk, rows_to_compare(desk, rows))
    errors = [each for each in found if each.severity == "error"]
    if errors:
        raise DiagnosticError(*errors)
    return tuple(found)
