"""One process of several: `python -m recipe_runner.execute.worker RUN_DIR`.

Reads the plan from the run directory and nothing else. Its own output goes into its log;
only the lines of `relay` reach the launching process.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
from pathlib import Path

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute import environment, record
from recipe_runner.execute.failure import explained
from recipe_runner.execute.record import RunDirectory
from recipe_runner.execute.relay import Relay, write_failure

FOLDER = "RECIPE_RUNNER_FOLDER"
"""Names the folder to work in, where the launching process was started."""

_PR_SET_PDEATHSIG = 1


def main(run_dir: str) -> int:
    """Train as one rank; returns 0 for a finished and an interrupted run."""
    die_with_parent()
    os.chdir(os.environ.get(FOLDER, "."))
    run = RunDirectory(Path(run_dir))
    rank = int(os.environ.get("RANK", "0"))
    screen = environment.into_file(run.rank_log(rank))
    faulthandler.enable()
    relay = Relay(screen, rank)
    relay.hello(os.getpid())
    try:
        plan = run.read_plan()
        environment.apply(plan)
        with explained(plan, run.path, run.rank_log(rank)):
            from recipe_runner.execute.train import train

            resume = (run.read_status() or {}).get("resumed_from")
            outcome = train(plan, run, relay, resume=Path(resume) if resume else None)
    except DiagnosticError as error:
        write_failure(failure_file(run, rank), error.diagnostics)
        return 1
    if rank == 0:
        with record.writing(run.path):
            run.update_status(outcome=outcome.to_json())
    return 0


def failure_file(run: RunDirectory, rank: int) -> Path:
    """Where a rank leaves what ended it."""
    return run.path / f"failure.rank{rank}.json"


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel kill this process when its parent ends, however it ends (Linux only).

    Workers that outlive the launching process would write into a directory whose lock is free.
    `number` is the signal that it sends.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number)


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stdout.flush()
    sys.exit(code)
