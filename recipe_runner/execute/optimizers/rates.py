"""Logs the learning rate of each group beside that of the run."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from recipe_runner.execute.optimizers.groups import PATTERN


class GroupRates(TrainerCallback):
    """Adds `learning_rate/PATTERN` to each row of the training, for whoever writes it after."""

    def __init__(self) -> None:
        self._rates: dict[str, float] = {}

    def on_optimizer_step(
        self, args: Any, state: Any, control: Any, optimizer: Any = None, **_: Any
    ) -> None:
        # Later the schedule has gone on, to the rates of the next step.
        self._rates = {
            f"learning_rate/{group[PATTERN]}": float(group["lr"])
            for group in optimizer.param_groups
            if PATTERN in group
        }

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        if logs is not None and "learning_rate" in logs:
            logs.update(self._rates)
