"""Writes `metrics.jsonl`: one JSON object per logged step, evaluation and end of training.

Tokens are real ones: TRL counts the attention mask, which leaves padding out. Time that
goes into evaluation and saving does not count for tokens per second.
"""

from __future__ import annotations

import json
import math
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from recipe_runner.execute import atomic


class Metrics(TrainerCallback):
    """Keeps the first and the latest rows, for the progress display, the end and the card."""

    def __init__(self, path: Path | None) -> None:
        """Write to `path`; None on ranks that only count."""
        self._path = path
        self.first: dict[str, Any] = {}
        self.first_eval: dict[str, Any] = {}
        self.last: dict[str, Any] = {}
        self.last_eval: dict[str, Any] = {}
        self.summary: dict[str, Any] = {}
        self.tokens_before = 0
        self._started = self._mark = self._window_start = time.monotonic()
        self._paused = 0.0
        self._window_tokens = 0

    def recall(self, step: int) -> None:
        """Take up the rows of an earlier process up to `step`; later ones are dropped."""
        kept = [] if self._path is None else forget_after(self._path, step)
        for row in kept:
            self._keep(row)
        self.tokens_before = max((row.get("num_tokens") or 0 for row in kept), default=0)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.recall(state.global_step)
        self._started = self._mark = self._window_start = time.monotonic()
        self._paused, self._window_tokens = 0.0, 0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._mark = time.monotonic()

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._pause()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._pause()

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        logs = dict(logs or {})
        kind = "train" if "loss" in logs else "summary" if "train_loss" in logs else "eval"
        row: dict[str, Any] = {"kind": kind, "step": state.global_step, **logs}
        # Some trainers count no tokens.
        if kind == "train" and "num_tokens" in logs:
            row["tokens_per_second"] = self._tokens_per_second(int(logs["num_tokens"]))
        if "num_tokens" in row:
            row["num_tokens"] = int(row["num_tokens"]) + self.tokens_before
        row |= memory()
        row["wall_seconds"] = round(time.monotonic() - self._started, 3)
        row["time"] = round(time.time(), 3)
        self._keep(row)
        if self._path is not None:
            append(self._path, row)

    def _keep(self, row: Mapping[str, Any]) -> None:
        if row["kind"] == "summary":
            self.summary.update(row)
            return
        evaluated = row["kind"] == "eval"
        first = self.first_eval if evaluated else self.first
        if not first:
            first.update(row)
        (self.last_eval if evaluated else self.last).update(row)

    def _tokens_per_second(self, tokens: int) -> float | None:
        now = time.monotonic()
        seconds = now - self._window_start - self._paused
        rate = (tokens - self._window_tokens) / seconds if seconds > 0 else None
        self._window_start, self._window_tokens, self._paused = now, tokens, 0.0
        return rate

    def _pause(self) -> None:
        now = time.monotonic()
        self._paused += now - max(self._mark, self._window_start)
        self._mark = now


def append(path: Path, row: Mapping[str, Any]) -> None:
    """Add one row as one write, so that a reader never sees half a line of a live run."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(_plain(row), allow_nan=False) + "\n")


def forget_after(path: Path, step: int) -> list[dict[str, Any]]:
    """Drop rows of steps that a resumed run takes again, and a line that was cut off.

    Returns the rows that stay.
    """
    if not path.exists():
        return []
    rows, whole = [], True
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            whole = False
            continue
        if row.get("step", 0) <= step and row.get("kind") != "summary":
            rows.append(row)
        else:
            whole = False
    if not whole:
        atomic.write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
    return rows


def memory() -> dict[str, int]:
    """Peak memory in bytes: `peak_rss` of this process, `peak_gpu` of its device if it has one."""
    import torch

    found = {"peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        found["peak_gpu"] = torch.cuda.max_memory_allocated()
    return found


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no nan and no infinity: null stands for both."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in row.items()
    }
