"""Decides, before anything is written, whether a run starts, goes on, or must not."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from recipe_runner.execute import atomic
from recipe_runner.execute.checkpoints import Checkpoint, all_checkpoints, faults
from recipe_runner.execute.codes import before
from recipe_runner.execute.fault import fault
from recipe_runner.execute.record import RunDirectory
from recipe_runner.execute.science import differences
from recipe_runner.plan import Plan

if TYPE_CHECKING:
    from recipe_runner.execute.data.receipt import Receipt

Resume = Literal["auto", "never"] | Path
"""Go on from the newest complete checkpoint, do not go on, or go on from this one."""


@dataclass(frozen=True)
class Decision:
    """`checkpoint` is where to go on from, None to start at step 0.

    `torn` are the incomplete checkpoints that were passed over; `fresh` is True where
    the directory holds nothing yet or is to be cleared.
    """

    checkpoint: Path | None = None
    torn: tuple[Checkpoint, ...] = ()
    fresh: bool = True


def decide(run: RunDirectory, plan: Plan, resume: Resume, *, overwrite: bool) -> Decision:
    """What to do in `run` for `plan`.

    Reports RR607 for a finished run, RR608 where `resume` is `never` and there is
    something to resume, RR609 where the plan's science is another one, and RR611 where
    the checkpoint that `resume` names is not complete.
    """
    status = run.read_status()
    if isinstance(resume, Path):
        _check_named(resume, plan)
        if overwrite and resume.resolve().is_relative_to(run.path.resolve()):
            raise fault(
                before.RUN_UNFINISHED,
                run.path,
                f"--overwrite would delete {resume}, which the run is to go on from",
                "leave --overwrite out, or name another output_dir",
            )
    # A start that was cut off before the plan was written has nothing to go on from.
    if status is None or overwrite or not run.plan_file.exists():
        return Decision(checkpoint=resume.resolve() if isinstance(resume, Path) else None)
    if status["status"] == "finished":
        raise fault(
            before.RUN_FINISHED,
            run.path,
            f"the run here finished at step {status.get('step', 0)}; its model is in {run.model}",
            "use its result, name another output_dir, or pass --overwrite to delete it",
        )
    found = all_checkpoints(run.checkpoints, plan.launch.num_processes)
    newest = next((c for c in found if c.complete), None)
    if resume == "never":
        what = (
            f"its newest complete checkpoint is {newest.path.name}"
            if newest
            else ("it has no complete checkpoint")
        )
        state = "was killed" if status["status"] == "running" else f"is {status['status']}"
        raise fault(
            before.RUN_UNFINISHED,
            run.path,
            f"the run here {state}; {what}",
            "pass --resume auto to go on, --overwrite to delete it, or name another output_dir",
        )
    _refuse_other_science(run, plan)
    if isinstance(resume, Path):
        return Decision(checkpoint=resume.resolve(), fresh=False)
    torn = tuple(c for c in found if not c.complete and (newest is None or c.step > newest.step))
    return Decision(newest.path if newest else None, torn, fresh=False)


def _check_named(path: Path, plan: Plan) -> None:
    """A checkpoint named by hand: whole, and where its run is known, of the same science."""
    wrong = (
        ["there is no such folder"]
        if not path.is_dir()
        else list(faults(path, plan.launch.num_processes))
    )
    if wrong:
        raise fault(
            before.CHECKPOINT_INCOMPLETE,
            path,
            "; ".join(wrong),
            "pass --resume auto to take the newest complete checkpoint of the run directory",
        )
    owner = RunDirectory(path.resolve().parent.parent)
    if owner.read_status() is not None:
        _refuse_other_science(owner, plan)


def _refuse_other_science(run: RunDirectory, plan: Plan) -> None:
    found = differences(run.read_plan(), plan)
    if not found:
        return
    count = "1 value differs" if len(found) == 1 else f"{len(found)} values differ"
    shown = "\n".join(f"  {difference}" for difference in found[:12])
    more = f"\n  and {len(found) - 12} more" if len(found) > 12 else ""
    raise fault(
        before.PLAN_CHANGED,
        run.path,
        f"{count} from the run in this directory\n{shown}{more}",
        "put the values back to resume, name another output_dir, or pass --overwrite",
    )


def note_rows(run: RunDirectory, receipt: Receipt, checkpoint: Path | None) -> None:
    """Write what became of the rows into `data.json`.

    Reports RR609 where the run that `checkpoint` belongs to read other rows: the plan names
    files, and their content may have changed since.
    """
    if checkpoint is not None:
        _refuse_other_rows(RunDirectory(checkpoint.resolve().parent.parent), receipt)
    atomic.write_json(run.data_file, asdict(receipt))


def _refuse_other_rows(owner: RunDirectory, receipt: Receipt) -> None:
    try:
        there = json.loads(owner.data_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    counts = ("train_rows", "eval_rows")
    changed = [
        f"{there[name]} {name.replace('_', ' ')} there, {getattr(receipt, name)} here"
        for name in counts
        if there.get(name, getattr(receipt, name)) != getattr(receipt, name)
    ]
    if not changed and there.get("content", receipt.content) == receipt.content:
        return
    files = ", ".join(source.path for source in receipt.sources)
    raise fault(
        before.PLAN_CHANGED,
        owner.path,
        f"the data have changed since the checkpoint was saved: {files}"
        + "".join(f"\n  {words}" for words in changed),
        "put the data back to resume, name another output_dir, or pass --overwrite",
    )
