"""Runs a plan: looks ahead, opens the run directory, trains, writes down how it ended.

One process trains in this very process; several are started through `accelerate launch`
with the configuration of the plan.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute import environment, preflight, record
from recipe_runner.execute.console import Console
from recipe_runner.execute.failure import explained
from recipe_runner.execute.generation.server import serving
from recipe_runner.execute.outcome import Outcome
from recipe_runner.execute.processes import run_workers
from recipe_runner.execute.record import RunDirectory
from recipe_runner.execute.resume import Decision, Resume, decide
from recipe_runner.execute.suppliers import Suppliers, default_suppliers
from recipe_runner.execute.train import train
from recipe_runner.plan import Plan

FAILED_BEFORE = 3
FAILED_DURING = 4


def launch(
    plan: Plan,
    recipe: str,
    resolved: str,
    console: Console,
    *,
    resume: Resume = "auto",
    overwrite: bool = False,
    command: Sequence[str] | None = None,
    suppliers: Suppliers | None = None,
) -> Outcome:
    """Run `plan` to its end or to an interruption.

    `recipe` and `resolved` are the texts for the run directory, `command` is the command
    line to note there. Warnings go to `console`; whatever ends the run otherwise is
    raised as `DiagnosticError`, for which `exit_code_of` knows the exit code.
    """
    for warning in preflight.check(plan):
        console.diagnostic(warning)
    with record.opened(Path(plan.outputs.run_dir)) as run:
        decision = decide(run, plan, resume, overwrite=overwrite)
        if decision.fresh and run.read_status() is not None:
            record.clear(run)
        record.start(run, plan, recipe, resolved, list(command or sys.argv))
        _tell(run, decision, console)
        try:
            outcome = _run(plan, run, console, decision, suppliers)
        except DiagnosticError as error:
            console.progress(None)
            codes = [diagnostic.code.id for diagnostic in error.diagnostics]
            _note(run, "failed", exit_code_of(error), codes=codes)
            raise
        except KeyboardInterrupt:
            # Interrupted before there was anything to save.
            console.progress(None)
            outcome = Outcome(
                "interrupted",
                run.path,
                0,
                plan.steps.total or 0,
                0.0,
                resumed_from=decision.checkpoint,
            )
        _note(run, outcome.status, outcome.exit_code, step=outcome.step, outcome=outcome.to_json())
        return outcome


def exit_code_of(error: DiagnosticError) -> int:
    """4 where something failed during the run, 3 where it could not start."""
    during = any(d.code.id.startswith(("RR7", "RR9")) for d in error.diagnostics)
    return FAILED_DURING if during else FAILED_BEFORE


def _run(
    plan: Plan, run: RunDirectory, console: Console, decision: Decision, rows: Suppliers | None
) -> Outcome:
    if decision.checkpoint is not None:
        run.update_status(resumed_from=str(decision.checkpoint))
    # A server takes its GPUs before the training, which sees the others only.
    with explained(plan, run.path, run.log_file), serving(plan, console):
        environment.apply(plan)
        if plan.launch.num_processes == 1:
            with environment.chatter_into(run.log_file):
                return train(plan, run, console, resume=decision.checkpoint, suppliers=rows)
        with environment.chatter_into(run.log_file):
            _prepare_once(plan, rows or default_suppliers(), console)
        return run_workers(plan, run, console)


def _prepare_once(plan: Plan, rows: Suppliers, console: Console) -> None:
    """Fill the cache of prepared data with all cores, before the workers ask for it."""
    from recipe_runner.execute.environment import hush
    from recipe_runner.execute.tokenizer import load_tokenizer

    hush()
    tokenizer = load_tokenizer(plan.tokenizer)
    if rows.inspect is not None:
        rows.inspect(plan, tokenizer, console)
    rows.prepare(plan, tokenizer, console)


def _tell(run: RunDirectory, decision: Decision, console: Console) -> None:
    for checkpoint in decision.torn:
        console.line(
            f"{checkpoint.path.name} is incomplete ({'; '.join(checkpoint.faults)}) and is skipped"
        )
    if decision.checkpoint is not None:
        console.line(f"Resuming from {decision.checkpoint}")
    elif not decision.fresh:
        console.line(f"{run.path} has no complete checkpoint: starting at step 0")


def _note(run: RunDirectory, status: record.Status, code: int, **values: object) -> None:
    """Write the end of the run; a full disk must not hide what ended it."""
    try:
        record.finish(run, status, code, **values)
    except OSError:
        if status == "finished":
            raise
