"""Runs several workers through `accelerate launch` and tells how they ended."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from recipe_runner.diagnostics import Diagnostic, DiagnosticError
from recipe_runner.execute import environment
from recipe_runner.execute.codes import during
from recipe_runner.execute.console import Console
from recipe_runner.execute.fault import finding
from recipe_runner.execute.outcome import Outcome
from recipe_runner.execute.record import RunDirectory
from recipe_runner.execute.relay import read_failure, receive
from recipe_runner.execute.worker import FOLDER, die_with_parent, failure_file
from recipe_runner.plan import Plan

_SHOWN_LINES = 8

_NEUTRAL = Path(sys.executable).anchor
"""Where the launcher runs; workers go back to the folder of the run at once.

accelerate has workers of DeepSpeed look for modules in the launcher's folder first. A recipe
from elsewhere may bring a `datasets.py`, and an attacker cannot write into the root.
Source: `accelerate.utils.launch.prepare_deepspeed_cmd_env`.
"""


def command_of(plan: Plan, run: RunDirectory) -> list[str]:
    """The plan's command with this Python; a list, so that no path is ever split on a space."""
    if plan.launch.command:
        program, *rest = plan.launch.command
        return [sys.executable if program == "python" else program, *rest]
    return [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--config_file",
        str(run.accelerate_file),
        "-m",
        "recipe_runner.execute.worker",
        str(run.path),
    ]


def run_workers(plan: Plan, run: RunDirectory, console: Console) -> Outcome:
    """Launch the workers, pass on what they say, and return rank 0's outcome.

    Raises `DiagnosticError` with what the failed rank reported, or RR701 where it could not.
    """
    ranks = range(plan.launch.num_processes)
    for rank in ranks:
        failure_file(run, rank).unlink(missing_ok=True)
    run.update_status(outcome=None)
    # Logs go on from earlier launches of the same run.
    begins = {rank: _size(run.rank_log(rank)) for rank in ranks}
    with run.log_file.open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            command_of(plan, run),
            env=_variables(plan),
            cwd=_NEUTRAL,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            # Ctrl-C reaches a terminal's whole process group; workers must hear it from us only.
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        crew = _Crew(process)
        with crew.signals():
            assert process.stdout is not None
            for line in process.stdout:
                try:
                    hello = receive(line, console)
                except ValueError:
                    log.write(line)
                    log.flush()
                    continue
                if hello is not None:
                    crew.pids[hello[0]] = hello[1]
            process.wait()
    console.progress(None)
    outcome = (run.read_status() or {}).get("outcome")
    if outcome is not None:
        return Outcome.from_json(outcome)
    if crew.asked:
        # The run was interrupted before it trained, or stopped at once.
        return crew.interrupted(plan, run)
    raise DiagnosticError(*_cause(plan, run, process.returncode, begins))


@dataclass
class _Crew:
    process: subprocess.Popen[str]
    pids: dict[int, int] = field(default_factory=dict)
    asked: int = 0

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Pass SIGINT and SIGTERM on to the workers; the second time, kill."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._handle) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def interrupted(self, plan: Plan, run: RunDirectory) -> Outcome:
        from recipe_runner.execute.checkpoints import newest_complete

        newest = newest_complete(run.checkpoints, plan.launch.num_processes)
        step = 0 if newest is None else int(newest.name.rpartition("-")[2])
        total = plan.steps.total or 0
        return Outcome("interrupted", run.path, step, total, 0.0, checkpoint=newest)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.asked += 1
        if self.asked == 1 and self.pids:
            self._send(signal.SIGINT)
        elif self.asked == 1:
            # Nobody is up yet: the launcher takes down what it has started.
            self.process.terminate()
        else:
            self._send(signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        for pid in self.pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _variables(plan: Plan) -> dict[str, str]:
    variables = dict(os.environ)
    environment.apply(plan, variables)
    environment.trust_installed_only(variables)
    variables[FOLDER] = str(Path.cwd())
    if plan.arguments.arguments.get("use_cpu"):
        # torchrun would give each process one thread.
        share = max(1, plan.machine.cpus // plan.launch.num_processes)
        variables.setdefault("OMP_NUM_THREADS", str(share))
    return variables


def _cause(
    plan: Plan, run: RunDirectory, code: int, begins: dict[int, int]
) -> tuple[Diagnostic, ...]:
    """The first failure that is not another rank's echo of it."""
    ranks = range(plan.launch.num_processes)
    reports = {rank: read_failure(failure_file(run, rank)) for rank in ranks}
    told = {rank: found for rank, found in reports.items() if found}
    first = next(
        (f for f in told.values() if all(d.code is not during.COMMUNICATION_FAILED for d in f)),
        None,
    )
    if first is not None:
        return first
    said = _tail(run.log_file, begins[0])
    vanished = re.findall(r"failed \(exitcode: (-?\d+)\) local_rank: (\d+)", said)
    for status, rank in vanished:
        if int(status) < 0 or int(rank) not in told:
            return (_vanished(plan, run, int(rank), int(status), begins[int(rank)]),)
    if told:
        return next(iter(told.values()))
    return (_vanished(plan, run, 0, code, begins[0]),)


def _vanished(plan: Plan, run: RunDirectory, rank: int, status: int, begin: int) -> Diagnostic:
    how = f"was killed by signal {-status}" if status < 0 else f"ended with exit code {status}"
    log = run.rank_log(rank)
    lines = [line for line in _tail(log, begin).splitlines() if line.strip()][-_SHOWN_LINES:]
    shown = "".join(f"\n  {line}" for line in lines)
    return finding(
        during.WORKER_FAILED,
        plan.recipe_path,
        f"rank {rank} {how}; its log is {log}",
        "after signal 9 look at the machine's memory; --resume auto goes on from the newest "
        f"complete checkpoint\nthe last lines of its log:{shown}",
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _tail(path: Path, begin: int) -> str:
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(begin, end - 2**16))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
