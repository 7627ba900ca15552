"""Lets the layers of a model compute in kernels from the Hugging Face Hub."""

from __future__ import annotations

import importlib.metadata
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from recipe_runner.execute.speed.patched import Seen
from recipe_runner.execute.speed.refused import Refused
from recipe_runner.plan import Plan

_OURS = ("forward", "_use_kernels")
"""What is undone at the end: each time the model is told to train or to answer, transformers
replaces methods anew, so that what has changed by then is more than what changed at first."""


def put_on(plan: Plan, trainer: Any, stack: ExitStack) -> Callable[[], str]:
    """Fetch and use what there is for the model that trains, until `stack` ends."""
    del plan
    if trainer.args.device.type == "cpu":
        raise Refused("the kernels are for GPUs")
    return install(trainer.accelerator.unwrap_model(trainer.model), stack).__str__


def why_not(model: Any) -> str | None:
    """Why transformers does not take kernels from the Hub here; None where it does."""
    from transformers.utils import import_utils

    del model
    if import_utils.is_kernels_available():
        return None
    low, high = import_utils.KERNELS_MIN_VERSION, import_utils.KERNELS_MAX_VERSION
    try:
        found = f"{importlib.metadata.version('kernels')} is installed"
    except importlib.metadata.PackageNotFoundError:
        found = "it is not installed"
    return f"transformers wants kernels>={low},<{high}, and {found}"


def install(model: Any, stack: ExitStack) -> str:
    """Use kernels for the layers of `model` until `stack` ends; says for which.

    Raises `Refused` where none could be had. Source: `PreTrainedModel.set_use_kernels` of
    transformers 5.23, which goes on without a word where a kernel cannot be fetched.
    """
    if (why := why_not(model)) is not None:
        raise Refused(why)
    model = model.get_base_model() if hasattr(model, "get_base_model") else model
    seen = Seen(model)
    stack.callback(seen.undo, lambda change: change.name in _OURS)
    model.set_use_kernels(True)
    patched = Counter(type(each).__name__ for each in seen.patched())
    if not patched:
        raise Refused("no layer has a kernel for this device that could be fetched")
    layers = ", ".join(f"{count} {name}" for name, count in sorted(patched.items()))
    return f"{layers} by kernels {importlib.metadata.version('kernels')}"
