"""Ends a run in good order on SIGINT or SIGTERM: finish the step, save, stop.

The second signal stops at once, the third ends the process wherever it is.

With several processes all must stop at the same step, or those that go on would wait for
the others forever. Rank 0 names the step in a file: TRL gathers its metrics from all
ranks in each step, so when rank 0 ends step s no rank can be past step s + 1, and
every rank reads the file in time for step s + 2. No rank has to ask another one.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from transformers import TrainerCallback

from recipe_runner.execute import atomic
from recipe_runner.execute.console import Console

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE = 2


class Interrupt(TrainerCallback):
    """`requested` is the signal that asked, `stopped` is True where training ended for it."""

    def __init__(self, console: Console, stop_file: Path, rank: int, processes: int) -> None:
        self._console = console
        self._file = stop_file
        self._rank = rank
        self._processes = processes
        self._training = False
        self._asked = 0
        self._acknowledged = False
        self._stop_at: int | None = None
        self.requested: int | None = None
        self.stopped = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the signals in the block; only Python's main thread may."""
        before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._training = True
        if self._processes > 1 and self._rank == 0:
            self._file.unlink(missing_ok=True)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._training = False

    def on_substep_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._acknowledge()

    def on_prediction_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._acknowledge()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        alone = self._processes == 1
        due = self.requested is not None if alone else self._agreed(state.global_step)
        if due and state.global_step < state.max_steps:
            self.stopped = True
            self._acknowledge()
            control.should_save = True
            control.should_training_stop = True

    def _acknowledge(self) -> None:
        """Say once that the signal was heard; an evaluation or a long step may come first.

        Not in the handler: it may run in the middle of a write to the same stream.
        """
        if self.requested is not None and not self._acknowledged and self._rank == 0:
            self._acknowledged = True
            self._console.line("Interrupted: saving after this step (again: stop at once)")

    def _agreed(self, step: int) -> bool:
        if self._rank == 0 and self.requested is not None and self._stop_at is None:
            self._stop_at = step + 2
            atomic.write_json(self._file, {"stop_at": self._stop_at})
        if self._stop_at is None and self._file.exists():
            self._stop_at = int(json.loads(self._file.read_text(encoding="utf-8"))["stop_at"])
        return self._stop_at is not None and step >= self._stop_at

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._asked += 1
        self.requested = number
        if self._asked > _PATIENCE:
            # Python could not get through to a library that is stuck.
            os._exit(128 + number)
        if self._asked > 1 or not self._training:
            raise KeyboardInterrupt
