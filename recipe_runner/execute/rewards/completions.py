"""Writes `completions.jsonl`: answers and what each was worth, one JSON object per line.

A line has `step` (optimizer steps taken before it), `phase` ("train", or "eval" for rows that
evaluate), `row`, `prompt`, `completion`, `rewards` by their names, and `total`, their weighted
sum.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recipe_runner.execute.rewards.batch import Batch, Phase

PER_STEP = 64
"""Answers that are kept of an optimizer step and of a phase, the first ones."""


class CompletionsLog:
    """Appends answers as they are judged, so that the file can be read while the run goes."""

    def __init__(self, path: Path | None) -> None:
        """Write to `path`; None on ranks that do not."""
        self._path = path
        self._step = -1
        self._left: dict[Phase, int] = {}

    def write(
        self, batch: Batch, rewards: Mapping[str, Sequence[float]], weights: Mapping[str, float]
    ) -> None:
        """Add the answers of a batch, as far as its step and phase have room for them."""
        if self._path is None:
            return
        if batch.step != self._step:
            if self._step < 0:
                forget_from(self._path, batch.step, batch.phase)
            self._step, self._left = batch.step, {}
        left = self._left.get(batch.phase, PER_STEP)
        count = min(left, len(batch))
        self._left[batch.phase] = left - count
        lines = [_line(batch, at, rewards, weights) for at in range(count)]
        # One write, so that a reader never sees half a line; closing the file flushes it.
        # Half of a surrogate pair cannot be written, and JSON can only escape it.
        with self._path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write("".join(f"{line}\n" for line in lines))


def _line(
    batch: Batch, at: int, rewards: Mapping[str, Sequence[float]], weights: Mapping[str, float]
) -> str:
    worth = {name: values[at] for name, values in rewards.items()}
    line: dict[str, Any] = {
        "step": batch.step,
        "phase": batch.phase,
        "row": batch.rows[at],
        "prompt": batch.prompts[at],
        "completion": batch.completions[at],
        "rewards": worth,
        "total": sum(weights[name] * value for name, value in worth.items()),
    }
    return json.dumps(line, ensure_ascii=False, default=str)


def forget_from(path: Path, step: int, phase: Phase) -> None:
    """Cut off what an interrupted run wrote of `step` and later, which is judged again.

    Steps only grow, so the first such line, or one that is not whole, begins the rest. What
    a step evaluates comes before its checkpoint and stays, unless `phase`, with which the
    run goes on, says that it is evaluated again.
    """
    again = ("train", phase)
    if not path.exists():
        return
    kept = 0
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            said = json.loads(line)
            if said["step"] > step or (said["step"] == step and said["phase"] in again):
                break
            kept += len(line)
    os.truncate(path, kept)
