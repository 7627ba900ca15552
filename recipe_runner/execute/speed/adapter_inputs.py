"""Keeps the inputs of low-rank adapters in the type of the computation."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import MethodType
from typing import Any

from recipe_runner.execute.speed.refused import Refused
from recipe_runner.plan import Plan


def put_on(plan: Plan, trainer: Any, stack: ExitStack) -> Callable[[], str]:
    """Tell the adapted layers so until `stack` ends, wherever autocast is on.

    Without it, as in an answer, PEFT's cast is what makes the product possible.
    Source: `BaseTunerLayer._cast_input_dtype` of peft 0.21.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    del plan
    layers = [each for each in trainer.model.modules() if isinstance(each, BaseTunerLayer)]
    if not layers:
        raise Refused("no layer of the model has an adapter")
    for layer in layers:
        layer._cast_input_dtype = MethodType(_as_it_is, layer)
        stack.callback(delattr, layer, "_cast_input_dtype")
    return lambda: f"{len(layers):,} layers keep their inputs as they are"


def _as_it_is(layer: Any, x: Any, dtype: Any) -> Any:
    import torch

    if isinstance(x, torch.Tensor) and torch.is_autocast_enabled(x.device.type):
        return x
    return type(layer)._cast_input_dtype(layer, x, dtype)
