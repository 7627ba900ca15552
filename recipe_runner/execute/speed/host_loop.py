"""Does once what transformers' training loop does in Python for each pass."""

from __future__ import annotations

import types
from contextlib import ExitStack
from typing import Any

from recipe_runner.plan import Plan


def put_on(plan: Plan, trainer: Any, stack: ExitStack) -> None:
    """Let `trainer` tell its modules that they train, and count their parameters, only once.

    Source: `Trainer.training_step` and `Trainer.floating_point_ops` of transformers 5.23.
    """
    del plan
    model = trainer.model
    for each in {id(m): m for m in (model, trainer.model_wrapped)}.values():
        each.train = types.MethodType(_Mode().train, each)
        stack.callback(delattr, each, "train")
    if hasattr(model, "num_parameters"):
        count = int(model.num_parameters(exclude_embeddings=True))
        name = getattr(model, "main_input_name", "input_ids")

        def operations(inputs: Any) -> int:
            """6 for each parameter and token, as upstream estimates them."""
            return 6 * int(inputs[name].numel()) * count if name in inputs else 0

        trainer.floating_point_ops = operations
        stack.callback(delattr, trainer, "floating_point_ops")


class _Mode:
    """Remembers that all modules of a model train.

    What the model says of itself is not enough: PEFT puts a module that trains around one that
    does not.
    """

    def __init__(self) -> None:
        self._train = False

    def train(self, module: Any, mode: bool = True) -> Any:
        """As of `torch.nn.Module`, which would walk over all modules again."""
        inner = module.get_base_model() if hasattr(module, "get_base_model") else module
        if mode and self._train and module.training and inner.training:
            return module
        self._train = mode
        return type(module).train(module, mode)
