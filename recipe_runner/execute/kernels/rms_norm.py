"""A norm by the root mean square that keeps its input, and one number for each row.

transformers keeps the input once more in float32, and the quotient where the factors train.
Layers with LoRA behind the norm need not keep its result either: it says how it is made again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recipe_runner.execute.kernels.elementwise import Elementwise, Norm


def forward_of(module: Any, how: Norm, ops: Elementwise) -> Callable[[Tensor], Tensor]:
    """What takes the place of `module.forward`."""

    def forward(x: Tensor) -> Tensor:
        found: Tensor = _Norm.apply(x, module.weight, how, ops)
        if found.requires_grad:
            made = (Again(how, ops), x.detach(), module.weight.detach())
            setattr(found, _MADE, (found._version, made))
        return found

    return forward


_MADE = "_recipe_runner_made"


def made_of(x: Tensor) -> tuple[Again, Tensor, Tensor] | None:
    """How `x` is made again, of which input and which factors; None where it is no result of a norm.

    Neither is what has been changed in place since.
    """
    version, found = getattr(x, _MADE, (None, None))
    made: tuple[Again, Tensor, Tensor] | None = found
    return made if made is not None and version == x._version else None


class Again:
    """Makes the result of a norm again in the backward pass, once for all that have read it."""

    def __init__(self, how: Norm, ops: Elementwise) -> None:
        self._how, self._ops = how, ops
        self._readers = self._left = 0
        self._found: Tensor | None = None

    def read(self) -> None:
        """Tell that one more has read it, and will ask for it."""
        self._readers += 1

    def make(self, x: Tensor, weight: Tensor) -> Tensor:
        """The result for the input [..., H] and the factors [H] that the norm had."""
        if self._found is None:
            rows = x.reshape(-1, x.shape[-1])
            self._found, self._left = self._ops.norm(self._how, rows, weight)[0], self._readers
        found = self._found
        self._left -= 1
        if self._left <= 0:
            self._found = None
        return found


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, how: Norm, ops: Elementwise) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        y, root = ops.norm(how, rows, weight)
        ctx.save_for_backward(x, weight, root)
        ctx.how, ctx.ops = how, ops
        # A view that is made here could not be changed in place by the layer.
        shaped: Tensor = torch.ops.aten._unsafe_view(y, x.shape)
        return shaped

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, weight, root = ctx.saved_tensors
        size = x.shape[-1]
        to_x, to_weight = ctx.ops.norm_backward(
            ctx.how,
            grad.reshape(-1, size),
            x.reshape(-1, size),
            weight,
            root,
            ctx.needs_input_grad[1],
        )
        return to_x.view(x.shape), to_weight, None, None
