"""A gate of a feed-forward layer that keeps its two factors, and neither activation nor product.

transformers keeps all four: the activation for the product, and the product for the layer behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recipe_runner.execute.kernels.elementwise import ACTIVATIONS, Activation, Elementwise
from recipe_runner.execute.kernels.products import is_hooked, multiply_gated, read

NAMES = (("gate_proj", "up_proj", "down_proj"), ("gate_up_proj", "down_proj"))
"""What the layers of a gate are called, apart or with both factors in one."""


def forward_of(module: Any, ops: Elementwise) -> Callable[[Tensor], Tensor] | str:
    """What takes the place of `module.forward`; or why nothing does."""
    names = next((n for n in NAMES if all(hasattr(module, each) for each in n)), None)
    function = getattr(module, "act_fn", None) or getattr(module, "activation_fn", None)
    if names is None or function is None:
        return "its layers have other names"
    if not all(isinstance(getattr(module, each), torch.nn.Module) for each in names):
        return "its weights are no layers"
    kind = activation_of(function)
    if kind is None:
        return f"its activation is {type(function).__name__}"

    def forward(x: Tensor) -> Tensor:
        down = module.down_proj
        if len(names) == 3:
            gate, up = module.gate_proj(x), module.up_proj(x)
        else:
            gate, up = module.gate_up_proj(x), None
        product = "" if is_hooked(down) else read(down)
        if not isinstance(product, str):
            found = multiply_gated(product, kind, ops, gate, up)
            if found is not None:
                return found
        if up is None:
            gate, up = gate.chunk(2, -1)
        behind: Tensor = down(_Gate.apply(gate, up, kind, ops))
        return behind

    return forward


def activation_of(function: Any) -> Activation | None:
    """Which one it is, by what it computes."""
    at = torch.linspace(-6, 6, 49)
    try:
        found = function(at)
    except Exception:  # noqa: BLE001
        return None
    if not isinstance(found, Tensor) or found.shape != at.shape:
        return None
    return next(
        (k for k, f in ACTIVATIONS.items() if torch.allclose(found, f(at), atol=1e-6)), None
    )


class _Gate(torch.autograd.Function):
    """The product of a gate, in front of a layer that has to see it itself."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor, kind: Activation, ops: Elementwise) -> Tensor:
        ctx.save_for_backward(gate, up)
        ctx.kind, ctx.ops = kind, ops
        return ops.gate(kind, gate, up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        gate, up = ctx.saved_tensors
        # The gradient may be another's too, and is written over.
        to_gate, to_up, _ = ctx.ops.gate_backward(ctx.kind, grad.clone(), gate, up, False)
        return to_gate, to_up, None, None
