"""Unsloth: its patched model in TRL's trainer, as its notebooks have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.peer.base import INSIDE, Command, Peer, Task


def _files(task: Task) -> Mapping[str, str]:
    del task
    return {"with_unsloth.py": (INSIDE / "with_unsloth.py").read_text(encoding="utf-8")}


def _commands(task: Task) -> Sequence[Command]:
    job = task.job
    numbers = map(str, (job.longest, job.micro, job.accumulation, job.steps))
    script = task.folder / "with_unsloth.py"
    return ((task.python, script, task.model, task.rows_with_mask, task.folder / "out", *numbers),)


PEER = Peer(
    "unsloth",
    "unsloth",
    _files,
    _commands,
    r"'loss': '?([\d.]+)",
    in_order=False,
    needs_gpu=True,
    never_run=True,
)
