"""How a run ended, for the command line to tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from recipe_runner.execute.watched import Watched

INTERRUPTED = 130
"""The shell's exit code of a program that SIGINT ended."""


@dataclass(frozen=True)
class Sample:
    """One held-out prompt with the expected answer and the model's answers."""

    prompt: str
    expected: str
    before: str
    after: str


@dataclass(frozen=True)
class Scored:
    """Greedy exact match on held-out rows, as fractions in [0, 1], and some of the rows.

    `before` is None where the run went on from a checkpoint of another directory.
    """

    rows: int
    before: float | None
    after: float
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """A run that finished or was interrupted; a run that failed raises `DiagnosticError`.

    `step` of `total` optimizer steps are done, `seconds` were spent in this process.
    `metrics` holds the last train row and the final evaluation, `watched` how some of these
    numbers changed. `model` is None for an
    interrupted run, `checkpoint` is the newest complete one.
    """

    status: Literal["finished", "interrupted"]
    run_dir: Path
    step: int
    total: int
    seconds: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    model: Path | None = None
    checkpoint: Path | None = None
    resumed_from: Path | None = None
    stopped_early: bool = False
    scored: Scored | None = None
    watched: tuple[Watched, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 for a finished run, 130 for an interrupted one."""
        return 0 if self.status == "finished" else INTERRUPTED

    def to_json(self) -> dict[str, Any]:
        """JSON values; paths as text."""
        values = asdict(self)
        for name in ("run_dir", "model", "checkpoint", "resumed_from"):
            values[name] = None if values[name] is None else str(values[name])
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Outcome:
        """Read back what `to_json` wrote."""
        paths = {
            name: None if values[name] is None else Path(values[name])
            for name in ("run_dir", "model", "checkpoint", "resumed_from")
        }
        scored = values["scored"]
        if scored is not None:
            samples = tuple(Sample(**sample) for sample in scored["samples"])
            scored = Scored(**{**scored, "samples": samples})
        watched = tuple(Watched(**each) for each in values["watched"])
        return cls(**{**values, **paths, "scored": scored, "watched": watched})
