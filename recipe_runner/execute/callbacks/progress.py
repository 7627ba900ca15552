"""Tells the console where the run is, after every optimizer step."""

from __future__ import annotations

import time
from typing import Any

from transformers import TrainerCallback

from recipe_runner.execute.callbacks.metrics import Metrics
from recipe_runner.execute.console import Console, Progress
from recipe_runner.execute.watched import watched


class ProgressReport(TrainerCallback):
    """Reads the numbers that `metrics` keeps, so it must stand after it in the callbacks."""

    def __init__(self, console: Console, metrics: Metrics) -> None:
        self._console = console
        self._metrics = metrics
        self._first_step = 0
        self._started = time.monotonic()
        self._training = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._training = True
        self._first_step = state.global_step
        self._started = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # At a logging step the log follows at once, with a fresh loss.
        if not control.should_log:
            self._console.progress(self._now(state, logged=False))

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        # The last evaluation logs after the end, where there is no progress to show.
        if self._training and logs and "train_loss" not in logs:
            self._console.progress(self._now(state, logged=True))

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._training = False
        self._console.progress(None)

    def _now(self, state: Any, *, logged: bool) -> Progress:
        row = self._metrics.last
        done = state.global_step - self._first_step
        each = (time.monotonic() - self._started) / done if done else None
        left = state.max_steps - state.global_step
        return Progress(
            step=state.global_step,
            total=state.max_steps,
            epoch=state.epoch,
            loss=row.get("loss"),
            eval_loss=self._metrics.last_eval.get("eval_loss"),
            learning_rate=row.get("learning_rate"),
            tokens_per_second=row.get("tokens_per_second"),
            memory_bytes=row.get("peak_gpu") or row.get("peak_rss"),
            seconds_left=None if each is None else each * left,
            logged=logged,
            watched=watched(row),
        )
