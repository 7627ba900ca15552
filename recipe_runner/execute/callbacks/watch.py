"""Stops a run whose loss is no longer a number, or stays too high.

`logging_nan_inf_filter`, which replaces such losses by older ones in the log, is off, so
the logged loss is the real one. Looking at it costs nothing more: it has been brought
from the device for logging. Between two logging steps a broken model could still be saved,
so the weights themselves are looked at before each save.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from transformers import TrainerCallback

from recipe_runner.plan import MonitorPlan


@dataclass(frozen=True)
class Stopped:
    """Why a run was stopped, at which optimizer step, and the value that did it."""

    reason: Literal["non_finite", "too_high"]
    step: int
    what: str


class Watch(TrainerCallback):
    """Sets `stopped` and ends training. Decides the same on every rank."""

    def __init__(self, plan: MonitorPlan) -> None:
        self._plan = plan
        self._high = 0
        self.stopped: Stopped | None = None

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        for name in ("loss", "eval_loss"):
            value = (logs or {}).get(name)
            if value is not None and not math.isfinite(value):
                words = name.replace("_", " ").replace("eval", "evaluation")
                self._stop(control, Stopped("non_finite", state.global_step, f"{words} is {value}"))
                return
        loss, limit = (logs or {}).get("loss"), self._plan.loss_watchdog_threshold
        if loss is None or limit is None:
            return
        self._high = self._high + 1 if loss > limit else 0
        if self._high >= self._plan.loss_watchdog_patience:
            self._stop(control, Stopped("too_high", state.global_step, f"{loss:.4g}"))

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if control.should_save and not all_finite(kwargs["model"]):
            self._stop(
                control, Stopped("non_finite", state.global_step, "model has a weight that is nan")
            )

    # Epoch-wise saving is decided here, after the last step of the epoch.
    on_epoch_end = on_step_end

    def _stop(self, control: Any, stopped: Stopped) -> None:
        self.stopped = self.stopped or stopped
        control.should_training_stop = True
        if stopped.reason == "non_finite":
            control.should_save = control.should_evaluate = False


def all_finite(model: Any) -> bool:
    """True where every trainable weight, on every rank, is a finite number."""
    import torch
    import torch.distributed as dist

    # Of a sharded weight each rank looks at its own part.
    own = (p.to_local() if hasattr(p, "to_local") else p for p in model.parameters())
    weights = [w.detach() for w in own if w.requires_grad and w.numel()]
    if not weights:
        return True
    with torch.no_grad():
        # A sum is finite only if its terms are, or if they overflow together: then look closer.
        sums = torch.stack([w.sum(dtype=torch.float32).to(weights[0].device) for w in weights])
        fine = bool(torch.isfinite(sums).all())
        if not fine:
            fine = all(bool(torch.isfinite(w).all()) for w in weights)
    if dist.is_available() and dist.is_initialized():
        vote = torch.tensor([1 if fine else 0], device=weights[0].device)
        dist.all_reduce(vote, op=dist.ReduceOp.MIN)
        fine = bool(vote.item())
    return fine
