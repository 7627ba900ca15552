"""What a decoder layer does number by number, in PyTorch's own operations.

`triton_elementwise` has the same functions as kernels for GPUs. Results are rounded where
transformers rounds them.

N: rows, H: features of a token, I: features inside a gate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional

Activation = Literal["silu", "gelu", "gelu_tanh"]


@dataclass(frozen=True)
class Norm:
    """How the root mean square is divided by.

    `offset` multiplies by one plus the factors, as Gemma does. `rounds_first` takes the quotient
    back to the type of the input before it is multiplied, as Llama does, and not after.
    """

    eps: float
    offset: bool = False
    rounds_first: bool = True


class Elementwise(Protocol):
    """The functions of this file, or those of `triton_elementwise`."""

    NAME: str

    def gate(self, kind: Activation, gate: Tensor, up: Tensor) -> Tensor:
        """The activation of `gate` times `up`, [N, I] each."""

    def gate_backward(
        self, kind: Activation, grad: Tensor, gate: Tensor, up: Tensor, again: bool
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """The gradients of both factors; with `again` also the product of them.

        `grad` [N, I] may be written over.
        """

    def norm(self, how: Norm, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """`x` [N, H] over the root of its mean square, times `weight` [H]; and one over that root [N, 1]."""

    def norm_backward(
        self, how: Norm, grad: Tensor, x: Tensor, weight: Tensor, root: Tensor, trains: bool
    ) -> tuple[Tensor, Tensor | None]:
        """The gradients of `x` and, where it trains, of `weight`. `root` is one over the root [N, 1]."""


NAME = "torch"

ACTIVATIONS: Mapping[Activation, Callable[[Tensor], Tensor]] = {
    "silu": functional.silu,
    "gelu": functional.gelu,
    "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
}


def gate(kind: Activation, gate: Tensor, up: Tensor) -> Tensor:
    """See `Elementwise.gate`."""
    return ACTIVATIONS[kind](gate).mul_(up)


def gate_backward(
    kind: Activation, grad: Tensor, gate: Tensor, up: Tensor, again: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """See `Elementwise.gate_backward`."""
    active = ACTIVATIONS[kind](gate)
    to_up = grad * active
    product = active.mul_(up) if again else None
    to_active = grad.mul_(up)
    if kind == "silu":
        to_gate = torch.ops.aten.silu_backward(to_active, gate)
    else:
        approximate = "tanh" if kind == "gelu_tanh" else "none"
        to_gate = torch.ops.aten.gelu_backward(to_active, gate, approximate=approximate)
    return to_gate, to_up, product


def norm(how: Norm, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """See `Elementwise.norm`."""
    wide = x.float()
    square = torch.linalg.vector_norm(wide, dim=-1, keepdim=True).square_()
    root = square.div_(x.shape[-1]).add_(how.eps).rsqrt_()
    found = wide * root
    if how.rounds_first:
        found = found.to(x.dtype)
        same = torch.promote_types(found.dtype, weight.dtype) == found.dtype
        return (found.mul_(weight) if same else found * weight), root
    return found.mul_(_factors(how, weight)).to(x.dtype), root


def norm_backward(
    how: Norm, grad: Tensor, x: Tensor, weight: Tensor, root: Tensor, trains: bool
) -> tuple[Tensor, Tensor | None]:
    """See `Elementwise.norm_backward`."""
    wide, factors = grad.float(), _factors(how, weight)
    found = x.float() * root
    product = wide * found
    to_weight = None
    if trains:
        rounded = how.rounds_first and x.dtype != torch.float32
        summed = (wide * found.to(x.dtype) if rounded else product).sum(0)
        to_weight = summed.to(weight.dtype)
    mean = (product @ factors).div_(x.shape[-1]).unsqueeze(-1)
    to_x = torch.mul(wide, factors, out=product).addcmul_(found, mean, value=-1).mul_(root)
    return to_x.to(x.dtype), to_weight


def _factors(how: Norm, weight: Tensor) -> Tensor:
    return weight.float() + 1 if how.offset else weight.float()
