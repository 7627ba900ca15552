"""Compiles the layers of the model, one after the other, with code that they share."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from recipe_runner.execute.speed.refused import Refused
from recipe_runner.plan import Plan


def put_on(plan: Plan, trainer: Any, stack: ExitStack) -> Callable[[], str]:
    """Compile each layer for lengths that differ, until `stack` ends.

    The modules stay what they are, so that names of parameters and checkpoints do not change.
    Source: `torch.nn.Module.compile`, and `accelerate.utils.compile_regions`, which puts another
    module around each layer.
    """
    import torch

    del plan
    if trainer.args.device.type == "cpu" and not any(map(shutil.which, ("g++", "clang++"))):
        raise Refused("there is no C++ compiler, which PyTorch needs to compile for a CPU")
    layers = list(_layers(trainer.accelerator.unwrap_model(trainer.model)))
    if not layers:
        raise Refused("the model has no list of layers")
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    for layer in layers:
        layer.compile(dynamic=True)
        stack.callback(setattr, layer, "_compiled_call_impl", None)

    def told() -> str:
        graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"] - before
        return f"{len(layers):,} layers run on {graphs:,} compiled graphs" if graphs else ""

    return told


def _layers(model: Any) -> Iterator[Any]:
    """Modules in lists of at least two of one kind, the outermost ones."""
    from torch.nn import ModuleList

    for module in model.children():
        kinds = {type(each) for each in module} if isinstance(module, ModuleList) else set()
        if len(kinds) == 1 and len(module) > 1:
            yield from module
        else:
            yield from _layers(module)
