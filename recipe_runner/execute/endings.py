"""How a run is told that ended before its last step, and not because somebody asked it to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.codes import during
from recipe_runner.execute.fault import fault
from recipe_runner.plan import Plan


def idle(plan: Plan, processes: int, count: int | None) -> DiagnosticError:
    """No batch came: upstream warns into the log and calls it a finished training."""
    rows = "the rows of the stream" if count is None else f"{count} rows"
    if not plan.arguments.arguments.get("dataloader_drop_last"):
        return fault(
            during.NOTHING_TRAINED,
            plan.recipe_path,
            f"no optimizer step was taken: {rows} do not fill a round of answers, and "
            f"{plan.algorithm} leaves out what is no whole round",
            "lower training.global_batch_size, or train on more rows",
        )
    return fault(
        during.NOTHING_TRAINED,
        plan.recipe_path,
        f"no optimizer step was taken: {rows} do not fill a batch of "
        f"{plan.steps.per_device * processes}, and training.dataloader_drop_last "
        "leaves it out",
        "lower training.per_device_train_batch_size, turn off "
        "training.dataloader_drop_last, or train on more rows",
    )


def stopped(plan: Plan, found: Any, checkpoint: Path | None) -> DiagnosticError:
    """The watch has stopped the run; `checkpoint` is the newest that is whole."""
    kept = (
        "no checkpoint was saved before"
        if checkpoint is None
        else (f"the last good checkpoint is {checkpoint}")
    )
    monitor = plan.monitor
    if found.reason == "too_high":
        return fault(
            during.LOSS_TOO_HIGH,
            plan.recipe_path,
            f"the loss was above {monitor.loss_watchdog_threshold:g} for "
            f"{monitor.loss_watchdog_patience} logged steps, {found.what} at step "
            f"{found.step}; {kept}",
            "lower training.learning_rate, or raise training.loss_watchdog",
        )
    return fault(
        during.NON_FINITE_LOSS,
        plan.recipe_path,
        f"the {found.what} at step {found.step}; {kept}",
        "lower training.learning_rate, lengthen the warm-up, keep max_grad_norm at 1, "
        "and look at the rows of these steps",
    )
