"""Checkpoints of a run that took its last step but did not get to save its result.

The Trainer would take one more step from such a checkpoint: it looks at the number of
steps only after a step.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_AVERAGING = "schedule_free"
"""Beginning of transformers' names for optimizers that mean an average of their steps."""


def has_all_steps(checkpoint: Path) -> bool:
    """True where the checkpoint is of the last step of its run."""
    state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    return bool(state["global_step"] >= state["max_steps"] > 0)


def adopt(trainer: Any, checkpoint: Path) -> None:
    """Give `trainer` the state and the weights with which training ended.

    Where the best checkpoint is to be loaded at the end, these are its weights.
    """
    from transformers import TrainerState

    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    trainer.state = state
    best = state.best_model_checkpoint
    use_best = trainer.args.load_best_model_at_end and best is not None and Path(best).is_dir()
    # The Trainer has no public way to load weights without training.
    trainer._load_from_checkpoint(str(best if use_best else checkpoint))
    if trainer.args.optim.startswith(_AVERAGING):
        # It knows which weights it means, which `settle` asks it.
        trainer.create_optimizer()
        trainer._load_optimizer_and_scheduler(str(checkpoint))
