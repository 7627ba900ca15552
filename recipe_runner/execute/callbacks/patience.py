"""Early stopping that goes on counting after a resume."""

from __future__ import annotations

from typing import Any

from transformers import EarlyStoppingCallback


class Patience(EarlyStoppingCallback):
    """Transformers' own early stopping; its counter comes back from the checkpoint.

    The Trainer restores callbacks only together with its own control, and that says
    "stop" in a checkpoint that an interruption saved.
    """

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        super().on_train_begin(args, state, control, **kwargs)
        saved = state.stateful_callbacks.get(type(self).__name__, {})
        if isinstance(saved, dict):
            counter = saved.get("attributes", {}).get("early_stopping_patience_counter", 0)
            self.early_stopping_patience_counter = counter
