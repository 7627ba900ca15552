"""Leaves a model with the weights that its optimizer means, and not with those that it steps from."""

from __future__ import annotations

from typing import Any


def settle(trainer: Any) -> None:
    """Put averaged weights in place after the last step, for optimizers that average.

    Upstream does so for an evaluation only, and would save the weights between two steps
    where none comes last. Weights of an older checkpoint are left as they were saved.
    """
    optimizer = trainer.optimizer
    if optimizer is None:
        return
    if trainer.args.load_best_model_at_end and trainer.state.best_model_checkpoint:
        for group in optimizer.param_groups:
            if "train_mode" in group:
                group["train_mode"] = False
    elif callable(getattr(optimizer, "eval", None)):
        optimizer.eval()
