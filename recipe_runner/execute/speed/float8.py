"""Lets the layers of a model multiply in float8."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from recipe_runner.execute.speed.refused import Refused
from recipe_runner.plan import Plan

_CAPABILITY = (8, 9)
_BLOCK = 16
"""Sides of a matrix that float8 products take are multiples of it."""


def put_on(plan: Plan, trainer: Any, stack: ExitStack) -> Callable[[], str]:
    """Put torchao's layers in the place of the model's until `stack` ends.

    They hold the same parameters by the same names, so optimizer and checkpoints do not change.
    """
    import torch

    del plan
    found = torch.cuda.get_device_capability() if torch.cuda.is_available() else (0, 0)
    if found < _CAPABILITY:
        raise Refused(f"the GPU has compute capability {found[0]}.{found[1]}, and float8 needs 8.9")
    count = install(trainer.accelerator.unwrap_model(trainer.model), stack)
    if not count:
        raise Refused(f"no layer has sides that are multiples of {_BLOCK}")
    return lambda: f"{count:,} layers multiply in float8"


def install(model: Any, stack: ExitStack, *, emulate: bool = False) -> int:
    """Replace the linear layers below the head; gives their number.

    With `emulate`, products are made in float32 of numbers that float8 has, on any device.
    Raises `Refused` where torchao is not there.
    """
    import torch

    try:
        from torchao.float8 import Float8LinearConfig
        from torchao.float8.float8_linear import Float8Linear
    except ImportError as why:
        raise Refused(f"torchao is needed: {why}") from why
    # Tokens are an inner side of a weight's gradient, and as many as there are.
    config = Float8LinearConfig(emulate=emulate, pad_inner_dim=True)
    head = model.get_output_embeddings()
    found = [
        (module, name, child)
        for module in model.modules()
        for name, child in module.named_children()
        if type(child) is torch.nn.Linear
        and child is not head
        and child.in_features % _BLOCK == 0 == child.out_features % _BLOCK
    ]
    for module, name, child in found:
        new = Float8Linear.from_float(child, config)
        new.train(child.training)
        setattr(module, name, new)
        stack.callback(setattr, module, name, child)
    return len(found)
