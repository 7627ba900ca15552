"""Lets norms, gates and LoRA of the layers compute by functions that keep less for the backward pass.

The modules stay what they are; each gets another `forward`. What is replaced is found by what a
module has, and proven by what it computes: of each kind one is tried on random tokens, as it is
and replaced, forwards and backwards.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

from recipe_runner.execute.speed.refused import Refused
from recipe_runner.plan import Plan

Forward = Callable[..., Any]

NORMS, GATES, ADAPTERS = "norms", "gates", "layers with LoRA"


@dataclass
class Fused:
    """What was replaced in a model: how many of each kind, by which kernels, and what was left, and why."""

    by: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    left: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [f"{count:,} {kind}" for kind, count in self.counts.items()]
        told = ", ".join(parts) + (f" by kernels of {' and '.join(self.by)}" if self.by else "")
        return "; ".join([told, *(f"{what} as before: {why}" for what, why in self.left.items())])


def why_not(model: Any) -> str | None:
    """Why nothing of a loaded model is replaced; None where something may be."""
    import torch

    # An adapter may be put on linear layers later.
    if any(True for _ in _found(model)) or any(type(m) is torch.nn.Linear for m in model.modules()):
        return None
    return f"{type(model).__name__} has no norm, gate or linear layer that is known"


def put_on(plan: Plan, trainer: Any, stack: ExitStack) -> Callable[[], str]:
    """Replace them in the model that trains, and in the one it is compared with."""
    del plan
    unwrap, other = trainer.accelerator.unwrap_model, getattr(trainer, "ref_model", None)

    def computing() -> AbstractContextManager[Any]:
        found: AbstractContextManager[Any] = trainer.accelerator.autocast()
        return found

    told = str(install(unwrap(trainer.model), stack, computing))
    if other is not None:
        try:
            install(unwrap(other), stack, computing)
        except Refused as why:
            told += f"; the reference model as before: {why}"
    return lambda: told


def put_on_fakes(
    model: Any, stack: ExitStack, computing: Callable[[], AbstractContextManager[Any]]
) -> None:
    """Replace them in a model of tensors without content, where nothing can be tried first."""
    from torch._subclasses.fake_tensor import unset_fake_temporarily

    # Which activation a gate has is found by computing it.
    with unset_fake_temporarily(), suppress(Refused):
        install(model, stack, computing, tries=False)


def install(
    model: Any,
    stack: ExitStack,
    computing: Callable[[], AbstractContextManager[Any]],
    *,
    tries: bool = True,
    kernels: str | None = None,
) -> Fused:
    """Replace what can be replaced in `model` until `stack` ends; tells what that was.

    `computing` is what the forward pass runs in. Without `tries` nothing is computed first, as on
    tensors without content. `kernels` names those that are taken instead of the device's own.
    Raises `Refused` where nothing can be replaced.
    """
    known = _ops(kernels or ("triton" if _device(model) == "cuda" else "torch"))
    fused = Fused()
    judged: dict[Any, tuple[Any, Any, str | None]] = {}
    for kind, module in list(_found(model)):
        if "forward" in vars(module):
            fused.left[f"{type(module).__name__}"] = "another one has replaced its forward pass"
            continue
        sign = (kind, *_signature(module))
        if sign not in judged:
            judged[sign] = _choose(kind, module, known, computing, tries)
        how, ops, why = judged[sign]
        if why is None:
            forward = _forward(kind, module, how, ops)
            why = forward if isinstance(forward, str) else None
        if why is not None:
            fused.left[f"{kind} of {type(module).__name__}"] = why
            continue
        module.forward = forward
        stack.callback(delattr, module, "forward")
        fused.counts[kind] += 1
        fused.by.update([ops.NAME] if kind != ADAPTERS else [])
    if not fused.counts:
        raise Refused("; ".join(f"{k}: {v}" for k, v in fused.left.items()) or "nothing is known")
    return fused


def _device(model: Any) -> str:
    return str(next(model.parameters()).device.type)


def _ops(name: str) -> list[Any]:
    """The kernels of that name, and those that take their place where they are not right."""
    from recipe_runner.execute.kernels import elementwise

    if name == "triton":
        with suppress(ImportError):
            from recipe_runner.execute.kernels import triton_elementwise

            return [triton_elementwise, elementwise]
    return [elementwise]


def _found(model: Any) -> Iterator[tuple[str, Any]]:
    """Modules of a known form, with the kind that they are; adapters before what they are a part of."""
    from recipe_runner.execute.kernels import gated_mlp

    modules = list(model.modules())
    for module in modules:
        if type(module).__module__.startswith("peft.tuners.lora.") and hasattr(module, "lora_A"):
            yield ADAPTERS, module
    for module in modules:
        if any(all(hasattr(module, n) for n in names) for names in gated_mlp.NAMES):
            if _takes_one(module):
                yield GATES, module
        elif _is_norm(module):
            yield NORMS, module


def _is_norm(module: Any) -> bool:
    if not type(module).__name__.endswith("RMSNorm") or not _takes_one(module):
        return False
    return getattr(module, "weight", None) is not None and _eps(module) is not None


def _takes_one(module: Any) -> bool:
    return len(inspect.signature(type(module).forward).parameters) == 2


def _eps(module: Any) -> float | None:
    found = getattr(module, "variance_epsilon", getattr(module, "eps", None))
    return found if isinstance(found, float) else None


def _signature(module: Any) -> tuple[Any, ...]:
    """Modules with the same one compute the same of their inputs and weights."""
    own = {k: v for k, v in vars(module).items() if isinstance(v, (bool, int, float, str))}
    own.pop("training", None)
    held = tuple(
        (name, type(each), getattr(each, "p", None)) for name, each in module.named_modules()
    )
    weights = tuple(
        (name, each.shape, each.dtype, each.requires_grad)
        for name, each in module.named_parameters()
    )
    own.pop("layer_idx", None)
    return (tuple(sorted(own.items())), held, weights)


def _choose(
    kind: str, module: Any, known: list[Any], computing: Callable[[], Any], tries: bool
) -> tuple[Any, Any, str | None]:
    """How modules like this one are replaced, by which of the kernels, and why they are not."""
    ways = _norms(module) if kind == NORMS else [None]
    found: tuple[Any, Any, str | None] = (ways[0], known[0], None)
    for ops in known if tries else ():
        tried = [(_tried(kind, module, way, ops, computing), way) for way in ways]
        # Types of norms round at different places, which is all that some of them differ in.
        (_, why), way = min(tried, key=lambda each: (each[0][1] is not None, each[0][0]))
        found = (way, ops, why)
        if why is None:
            break
    return found


def _norms(module: Any) -> list[Any]:
    """The norms that it may be, the likeliest first."""
    from recipe_runner.execute.kernels.elementwise import Norm

    eps = _eps(module)
    assert eps is not None
    of_llama, of_gemma = Norm(eps), Norm(eps, offset=True, rounds_first=False)
    of_olmo = Norm(eps, rounds_first=False)
    usual = [of_llama, of_olmo, of_gemma]
    return usual if hasattr(module, "variance_epsilon") else [of_gemma, of_olmo, of_llama]


def _forward(kind: str, module: Any, way: Any, ops: Any) -> Forward | str:
    from recipe_runner.execute.kernels import gated_mlp, low_rank, rms_norm

    if kind == NORMS:
        return rms_norm.forward_of(module, way, ops)
    return gated_mlp.forward_of(module, ops) if kind == GATES else low_rank.forward_of(module)


def _tried(
    kind: str, module: Any, way: Any, ops: Any, computing: Callable[[], Any]
) -> tuple[float, str | None]:
    """How far the module and its replacement are apart, and what, if it is too much.

    In the types that a run may bring: under autocast what runs between the layers is of the type of
    the weights, and what comes from a product is not.
    """
    import torch

    from recipe_runner.execute.kernels.probe import APART, Tried, difference

    forward = _forward(kind, module, way, ops)
    if isinstance(forward, str):
        return 0.0, forward
    device, was, worst = _device(module), module.training, 0.0
    with computing():
        half = {torch.get_autocast_dtype(device)} if torch.is_autocast_enabled(device) else set()
    given = {_type(kind, module)} | half
    module.train()
    try:
        for each in given:
            rounding = max(given, key=lambda each: APART[each])
            tried = Tried(_inputs(kind, module), each, rounding, computing, _SHAKEN[kind])
            apart, why = difference(module, forward, tried)
            if why is not None:
                return apart, why
            worst = max(worst, apart)
    except Exception as error:  # noqa: BLE001
        # A kernel that cannot be compiled ends no run.
        return 0.0, f"{type(error).__name__}: {error}"
    finally:
        module.train(was)
    return worst, None


_SHAKEN = {NORMS: "weight", GATES: "lora_B", ADAPTERS: "lora_B"}
"""Parameters that may begin as ones or zeros, which hide what is done with them."""


def _inputs(kind: str, module: Any) -> int:
    """Features of a token in the input."""
    if kind == NORMS:
        return int(module.weight.shape[-1])
    reads = module if kind == ADAPTERS else getattr(module, "gate_proj", None)
    return int((module.gate_up_proj if reads is None else reads).in_features)


def _type(kind: str, module: Any) -> Any:
    """The type of the weights that the input meets."""
    import torch

    if kind == NORMS:
        return module.weight.dtype
    layer = module.down_proj if kind == GATES else module
    base = getattr(layer, "base_layer", layer)
    packed = not base.weight.is_floating_point()
    return (getattr(base, "compute_dtype", None) or torch.float32) if packed else base.weight.dtype
