"""What a run took beside what its plan told: memory, tokens per second, seconds per step.

It is written into `run.json` when the training ends, also where somebody stops it. Imports
transformers, so it is imported only where a run is about to start.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from recipe_runner.execute.callbacks.metrics import Metrics, memory
from recipe_runner.execute.record import RunDirectory
from recipe_runner.plan import CostPlan, Plan

_STATUS = Path("/proc/self/statm")


class CostRecord(TrainerCallback):
    """Takes the time between the ends of steps, without evaluation and saving.

    The first step of a process, which loads kernels and asks for memory, does not count. It must
    be made before the model is loaded: on a CPU, memory is what the process has above that.
    """

    def __init__(self, plan: Plan, run: RunDirectory | None, metrics: Metrics) -> None:
        """Write into `run`; None on ranks that do not write. `metrics` counts the tokens."""
        self._plan = plan
        self._run = run
        self._metrics = metrics
        self._before = resident_bytes()
        self._highest = memory()["peak_rss"]
        self._mark: float | None = None
        self._first = 0
        self._seconds = 0.0
        self._steps = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._first = state.global_step
        self._mark = None

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        now = time.monotonic()
        if self._mark is not None:
            self._seconds += now - self._mark
            self._steps += 1
        self._mark = now

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._go_on()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._go_on()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._run is not None:
            cost = {"predicted": predicted(self._plan.cost), "measured": self._measured()}
            self._run.update_status(cost=cost)

    def _go_on(self) -> None:
        if self._mark is not None:
            self._mark = time.monotonic()

    def _measured(self) -> dict[str, float | None]:
        seconds = self._seconds / self._steps if self._steps else None
        last = self._metrics.last
        steps = last.get("step", 0) - self._first
        seen = (last.get("num_tokens") or 0) - self._metrics.tokens_before
        tokens = seen / steps if steps > 0 and seen > 0 else None
        return {
            "memory": self._memory(),
            "tokens_per_step": tokens,
            "tokens_per_second": tokens / seconds if tokens and seconds else None,
            "seconds_per_step": seconds,
        }

    def _memory(self) -> int | None:
        """Bytes at the fullest; None where the process had more before the model was loaded."""
        import torch

        if torch.cuda.is_available() and torch.cuda.is_initialized():
            free, whole = torch.cuda.mem_get_info()
            # The context and the libraries have their memory from the driver, not from torch.
            beside = max(0, whole - free - torch.cuda.memory_reserved())
            return int(torch.cuda.max_memory_reserved() + beside)
        peak = memory()["peak_rss"]
        return peak - self._before if peak > self._highest else None


def predicted(cost: CostPlan | None) -> dict[str, float | None] | None:
    """What the plan tells, in the words of what is measured; of rows of full length."""
    if cost is None:
        return None
    return {
        "memory": cost.memory.total,
        "tokens_per_step": cost.tokens_per_step,
        "tokens_per_second": cost.tokens_per_second,
        "seconds_per_step": cost.seconds_per_step,
    }


def resident_bytes() -> int:
    """Memory that this process has now; its peak where the system does not tell."""
    import resource

    try:
        return int(_STATUS.read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        return memory()["peak_rss"]
