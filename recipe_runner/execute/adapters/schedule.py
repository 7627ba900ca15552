"""Tells an adapter that follows a schedule which step it is."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback


class RankSchedule(TrainerCallback):
    """Has AdaLoRA drop ranks: after each backward pass, before the gradients are gone.

    Source: `peft.AdaLoraModel.update_and_allocate`, which PEFT leaves to the training loop.
    """

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Allocate with the gradients of the step that has just been taken."""
        model = kwargs["model"]
        base: Any = getattr(getattr(model, "module", model), "base_model", None)
        if hasattr(base, "update_and_allocate"):
            base.update_and_allocate(state.global_step + 1)
