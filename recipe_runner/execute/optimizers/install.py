"""Gives a trainer the optimizer of the plan, where it is more than transformers' arguments say."""

from __future__ import annotations

from typing import Any

from recipe_runner.execute.optimizers.groups import regroup
from recipe_runner.plan import Plan


def install(trainer: Any, plan: Plan) -> None:
    """Let `trainer` make the optimizer of `plan` when it comes to it; nothing without one.

    The trainer's own `create_optimizer` runs in any case, so trainers that add parameters of
    their own (a value head) still do, and the device, FSDP and DeepSpeed see one optimizer.
    """
    wanted = plan.optimizer
    if wanted is None:
        return
    if wanted.name is not None:
        from recipe_runner.execute.optimizers.muon import MuonFactory

        # What is no class of an optimizer is called with the model, once there is one.
        decay = trainer.get_decay_parameter_names
        trainer.optimizer_cls_and_kwargs = (
            MuonFactory,
            {"arguments": trainer.args, "options": wanted.options, "decay_names": decay},
        )
    if not wanted.groups:
        return
    create = trainer.create_optimizer

    def create_with_groups(model: Any = None) -> Any:
        made = trainer.optimizer is None
        optimizer = create(model)
        if made:
            regroup(optimizer, trainer.model if model is None else model, plan)
        return optimizer

    trainer.create_optimizer = create_with_groups
