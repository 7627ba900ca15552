"""What the benchmark has to know of another tool: how it is told the job, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.jobs import Job

INSIDE = Path(__file__).parent / "inside"
"""Modules that run in the Python of a tool, and import nothing of ours."""

Command = Sequence[str | Path]


@dataclass(frozen=True)
class Task:
    """A job for a tool: a checkpoint of transformers, rows of tokens and labels, a folder.

    `rows_with_mask` are the same rows with a column `attention_mask`. `half` is True where the
    computation is in bfloat16. `python` is the one that the tool is installed for.
    """

    job: Job
    model: Path
    rows: Path
    rows_with_mask: Path
    folder: Path
    python: Path
    half: bool

    def program(self, name: str) -> Path:
        """A command of the environment that `python` belongs to."""
        return self.python.with_name(name)


@dataclass(frozen=True)
class Peer:
    """A tool: its distribution on PyPI, the files and commands of a task, and what ends a step.

    The last of `commands` trains; those before it bring the checkpoint into the tool's own form.
    `step` is a pattern of a line of `log`, or of what is printed where that is None, that stands
    for an optimizer step; its group is the loss. `in_order` is True where rows are trained in the
    order of the file, so that the tokens of each step are known; else they are taken to be alike.
    `never_run` is True where nobody has seen it work yet: its files follow its documentation.
    """

    name: str
    distribution: str
    files: Callable[[Task], Mapping[str, str]]
    commands: Callable[[Task], Sequence[Command]]
    step: str
    log: Callable[[Task], Path] | None = None
    in_order: bool = True
    needs_gpu: bool = False
    never_run: bool = False
