"""A run that has ended, for commands that use what it made: its plan and its model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from recipe_runner.execute.codes.finished import NO_RUN, RUN_WITHOUT_MODEL
from recipe_runner.execute.fault import fault
from recipe_runner.execute.record import RunDirectory
from recipe_runner.plan import Plan


@dataclass(frozen=True)
class FinishedRun:
    """A run directory with a plan and a result."""

    run: RunDirectory
    plan: Plan

    @property
    def is_adapter(self) -> bool:
        """True where the result is an adapter, which needs its base."""
        return (self.run.model / "adapter_config.json").is_file()


def open_run(path: Path) -> FinishedRun:
    """The run in `path`. Reports RR626 where none is there, RR627 where it made no model yet."""
    run = RunDirectory(path.resolve())
    status = run.read_status()
    if status is None:
        raise fault(
            NO_RUN,
            path,
            f"{path} holds no run of recipe_runner: there is no run.json of ours in it",
            "name the output_dir of a run, not its `model` folder"
            if run.path.name == "model" or (path / "config.json").is_file()
            else "name the output_dir of a run that `recipe-run train` has finished",
        )
    plan = run.read_plan()
    made = ("adapter_config.json", "config.json")
    # A model beside another status may be the half of one.
    whole = any((run.model / name).is_file() for name in made)
    if not whole or status["status"] != "finished":
        raise fault(
            RUN_WITHOUT_MODEL,
            path,
            f"the run in {path} is {status['status']}, and it has made no whole model yet",
            "let the run end: the same `recipe-run train` goes on from its newest checkpoint",
        )
    return FinishedRun(run, plan)
