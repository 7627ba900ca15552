"""The run directory: what a run was asked to do, how far it is, and what it made.

    recipe.yaml       the recipe as written          checkpoints/   to resume from
    resolved.yaml     every value of it, filled in   model/         the result
    plan.json         what workers run from          metrics.jsonl  one JSON object per logged step
    accelerate.yaml   several processes only         train.log      what the libraries said
    environment.json  versions and machine           run.json       status
    run.lock          held while a run writes here   data.json      what became of each row
    score.json        answers before and after

A directory is ours if it holds a `run.json` of ours. Only one process at a time holds
the lock; it ends with the process, whatever kills it.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import json
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from recipe_runner.execute import atomic
from recipe_runner.execute.codes import before
from recipe_runner.execute.fault import fault
from recipe_runner.execute.versions import environment
from recipe_runner.plan import Plan, PlanFormatError, decode, digest, encode

Status = Literal["running", "finished", "interrupted", "failed"]

_SCHEMA = "recipe-run/1"


@dataclass(frozen=True)
class RunDirectory:
    """The paths of a run directory; creating the object touches nothing."""

    path: Path

    @property
    def plan_file(self) -> Path:
        return self.path / "plan.json"

    @property
    def recipe_file(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def accelerate_file(self) -> Path:
        return self.path / "accelerate.yaml"

    @property
    def status_file(self) -> Path:
        return self.path / "run.json"

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def completions_file(self) -> Path:
        return self.path / "completions.jsonl"

    @property
    def log_file(self) -> Path:
        return self.path / "train.log"

    @property
    def lock_file(self) -> Path:
        return self.path / "run.lock"

    @property
    def data_file(self) -> Path:
        return self.path / "data.json"

    @property
    def score_file(self) -> Path:
        return self.path / "score.json"

    @property
    def stop_file(self) -> Path:
        return self.path / "stop.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        return self.path / "model"

    def rank_log(self, rank: int) -> Path:
        """The log of one process; rank 0 writes `train.log`."""
        return self.log_file if rank == 0 else self.path / f"train.rank{rank}.log"

    def read_status(self) -> dict[str, Any] | None:
        """The content of `run.json`, None where there is none of ours."""
        try:
            value = json.loads(self.status_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        ours = isinstance(value, dict) and value.get("schema") == _SCHEMA and "status" in value
        return value if ours else None

    def read_plan(self) -> Plan:
        """The plan of this run. Reports RR613 where the file holds none of this version."""
        try:
            return decode(self.plan_file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, PlanFormatError) as error:
            raise fault(
                before.NOT_A_PLAN,
                self.plan_file,
                str(error),
                "start the run again from its recipe; workers run from this file",
            ) from error

    def update_status(self, **values: Any) -> None:
        """Change fields of `run.json`, atomically."""
        atomic.write_json(self.status_file, {**(self.read_status() or {}), **values})


@dataclass
class Lock:
    """Holds `run.lock` from `acquire` to `release`."""

    run: RunDirectory
    _descriptor: int | None = field(default=None, repr=False)

    def acquire(self) -> None:
        """Take the lock. Reports RR606 where another process holds it."""
        descriptor = os.open(self.run.lock_file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            status = self.run.read_status() or {}
            raise fault(
                before.RUN_IN_USE,
                self.run.path,
                f"process {status.get('pid', 'unknown')} on {status.get('host', 'this machine')} "
                f"is running here since {status.get('started', 'an unknown time')}",
                "wait for it, stop it, or name another output_dir",
            ) from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; the file stays, so that no two processes lock different files."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextlib.contextmanager
def opened(path: Path) -> Iterator[RunDirectory]:
    """Create the folder where needed and hold its lock.

    Reports RR604 where it cannot be written, RR606 where it is in use, and RR610 where
    it has files in it that are not ours.
    """
    run = RunDirectory(path)
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
        refuse_foreign(run)
        lock = Lock(run)
        lock.acquire()
    try:
        yield run
    finally:
        lock.release()


def refuse_foreign(run: RunDirectory) -> None:
    """Report RR610 where the folder has files in it and no `run.json` of ours."""
    if not run.path.exists():
        return
    if not run.path.is_dir():
        raise fault(
            before.NOT_A_RUN,
            run.path,
            f"{run.path} is a file",
            "name an output_dir that does not exist or is empty",
        )
    names = sorted(entry.name for entry in run.path.iterdir() if entry.name != run.lock_file.name)
    if names and run.read_status() is None:
        raise fault(
            before.NOT_A_RUN,
            run.path,
            f"{run.path} has files in it ({', '.join(names[:3])}"
            f"{', ...' if len(names) > 3 else ''}) and no run.json of ours",
            "name an output_dir that does not exist or is empty; "
            "--overwrite deletes run directories only",
        )


def clear(run: RunDirectory) -> None:
    """Delete everything in a run directory of ours but the lock, `run.json` last."""
    refuse_foreign(run)
    keep = (run.lock_file.name, run.status_file.name)
    with writing(run.path):
        for entry in [e for e in run.path.iterdir() if e.name not in keep]:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        run.status_file.unlink(missing_ok=True)


def start(run: RunDirectory, plan: Plan, recipe: str, resolved: str, command: list[str]) -> None:
    """Write what the run was asked to do and the status `running`, which makes the folder ours."""
    with writing(run.path):
        # The status comes first: a start that is cut off leaves a folder that --overwrite accepts.
        atomic.write_json(
            run.status_file,
            {
                "schema": _SCHEMA,
                "status": "running",
                "pid": os.getpid(),
                "host": platform.node(),
                "started": timestamp(),
                "ended": None,
                "plan": digest(plan),
                "exit": None,
                "step": 0,
            },
        )
        atomic.write_text(run.recipe_file, recipe)
        atomic.write_text(run.path / "resolved.yaml", resolved)
        if plan.launch.accelerate_config is not None:
            # YAML is a superset of JSON, so this needs no YAML writer.
            atomic.write_json(run.accelerate_file, plan.launch.accelerate_config)
        atomic.write_json(run.path / "environment.json", environment(command))
        run.checkpoints.mkdir(exist_ok=True)
        run.stop_file.unlink(missing_ok=True)
        atomic.write_text(run.plan_file, encode(plan))


def finish(run: RunDirectory, status: Status, exit_code: int, **values: Any) -> None:
    """Write how the run ended."""
    run.update_status(status=status, ended=timestamp(), exit=exit_code, **values)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a refused or full disk into RR604 and RR705."""
    from recipe_runner.execute.codes import during

    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise fault(
                during.DISK_FULL,
                path,
                f"no space left on the disk of {path}",
                "free space, or name an output_dir on another disk",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
            raise fault(
                before.NOT_WRITABLE,
                path,
                f"{error.filename or path} cannot be written: {error.strerror}",
                "name another output_dir, or change the folder's permissions",
            ) from error
        raise


def timestamp() -> str:
    """The time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
