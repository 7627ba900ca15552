"""Lets norms, rotations and gates of a model compute in Liger's kernels, and takes them off again."""

from __future__ import annotations

import importlib.metadata
import os
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from recipe_runner.execute.speed.patched import Seen
from recipe_runner.execute.speed.refused import Refused
from recipe_runner.plan import Plan
from recipe_runner.plan.kernels import OF_LIGER


def put_on(plan: Plan, trainer: Any, stack: ExitStack) -> Callable[[], str]:
    """Patch the model that trains, and the one it is compared with, until `stack` ends."""
    del plan
    # Triton's interpreter takes tensors of a CPU, for tests.
    if trainer.args.device.type == "cpu" and os.environ.get("TRITON_INTERPRET") != "1":
        raise Refused("its kernels are for GPUs")
    if trainer.args.use_liger_kernel:
        raise Refused("`training.use_liger_kernel` does it")
    unwrap, other = trainer.accelerator.unwrap_model, getattr(trainer, "ref_model", None)
    told = install(unwrap(trainer.model), stack)
    if other is not None:
        try:
            install(unwrap(other), stack)
        except Refused as why:
            told += f", and the reference model computes as before: {why}"
    return lambda: told


def install(model: Any, stack: ExitStack) -> str:
    """Patch the layers of `model` until `stack` ends; says what was patched.

    Raises `Refused` where Liger is not there, or the model is none for it. Source:
    `_apply_liger_kernel_to_instance` of liger-kernel 0.8.5, which replaces methods of modules and
    names in the module of the model's class, and has no way back.
    """
    try:
        from liger_kernel.transformers.monkey_patch import _apply_liger_kernel_to_instance
    except (ImportError, RuntimeError) as why:
        raise Refused(f"liger-kernel cannot be loaded: {why}") from why
    model = model.get_base_model() if hasattr(model, "get_base_model") else model
    kind = model.config.model_type
    if kind not in OF_LIGER:
        raise Refused(f"{kind} has not been proven")
    gates = _gates(model)
    seen = Seen(model)
    try:
        _apply_liger_kernel_to_instance(
            model,
            rope=True,
            rms_norm=True,
            swiglu=gates == {"silu"},
            geglu=gates == {"gelu_tanh"},
            cross_entropy=False,
            fused_linear_cross_entropy=False,
        )
    # What it raises for a class of the type that it does not know.
    except TypeError as why:
        seen.undo()
        raise Refused(f"{type(model).__name__}: {why}") from why
    strange = [type(each).__name__ for each in seen.patched() if not _is_upstream(each)]
    if strange or not seen.changes():
        seen.undo()
        raise Refused(f"{strange[0]} is in the place of a layer" if strange else "nothing to patch")
    # Modules that are made from now on are of transformers again.
    seen.undo(lambda change: isinstance(change.names[change.name], type))
    patched = Counter(each._get_name() for each in seen.patched())
    turns = any(change.name == "apply_rotary_pos_emb" for change in seen.changes())
    for change in seen.changes():
        stack.callback(change.undo)
    parts = [f"{count} {name}" for name, count in sorted(patched.items())]
    version = importlib.metadata.version("liger-kernel")
    return f"{', '.join([*parts, *(['the rotation'] if turns else [])])} of liger-kernel {version}"


def _is_upstream(module: Any) -> bool:
    """False for what an adapter has put into the place of a module of the model."""
    return type(module).__module__.startswith("transformers.")


def _gates(model: Any) -> set[str]:
    """The activations in the gates of the layers; "" for one that Liger does not have.

    By what they compute: Liger's replacement of a loaded layer does not look.
    """
    import torch
    from torch.nn import functional

    at = torch.linspace(-4, 4, 33)
    known = {
        "silu": functional.silu(at),
        "gelu_tanh": functional.gelu(at, approximate="tanh"),
    }

    def named(function: Any) -> str:
        found = function(at)
        return next((k for k, v in known.items() if torch.allclose(found, v, atol=1e-6)), "")

    names = ("act_fn", "activation_fn")
    functions = (getattr(m, n) for m in model.modules() for n in names if hasattr(m, n))
    return {named(each) for each in functions}
