"""Products with a weight and, beside it, with the two small matrices of LoRA, as one function.

y = W h + scale * B (A h), where h is the input of the layer, or the product of a gate that is
not kept but made again. PEFT keeps the input once more in the type of the adapter, and several
results on the way.

N: tokens, I: features of the input, O: of the output, R: rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from recipe_runner.execute.kernels.elementwise import Activation, Elementwise
from recipe_runner.execute.kernels.rms_norm import Again, made_of

_CAST = "_recipe_runner_cast"


@dataclass(frozen=True)
class Product:
    """The weights [O, I], [R, I] and [O, R]. `packed` is a layer in 4 bits in the place of the first."""

    weight: Tensor | None = None
    bias: Tensor | None = None
    a: Tensor | None = None
    b: Tensor | None = None
    scale: float = 1.0
    packed: Any = None


@dataclass(frozen=True)
class _How:
    """`compute` is the type of the product with the weight, `small` that of those with A and B.

    `again` makes the input again, where a norm has made it.
    """

    compute: torch.dtype
    small: torch.dtype
    scale: float
    packed: Any
    ops: Elementwise | None = None
    activation: Activation | None = None
    again: Again | None = None


def read(layer: Any) -> Product | str:
    """The weights of a layer as they are at this moment; or why it is none of this kind.

    Source: `peft.tuners.lora.layer.Linear` and `peft.tuners.lora.bnb.Linear4bit` of peft 0.21.
    """
    if type(layer) is torch.nn.Linear:
        return Product(layer.weight, layer.bias)
    name = type(layer).__name__
    if not type(layer).__module__.startswith("peft.tuners.lora.") or name not in _ADAPTED:
        return f"{name} is not known"
    if layer.disable_adapters or layer.merged or len(layer.active_adapters) != 1:
        return "more or less than one adapter is active"
    adapter = layer.active_adapters[0]
    if adapter not in layer.lora_A or adapter in layer.lora_variant:
        return "its adapter is no plain LoRA"
    if layer.fan_in_fan_out or layer.lora_bias[adapter]:
        return "its adapter has a bias, or weights that lie the other way"
    dropout = layer.lora_dropout[adapter]
    if type(dropout) is not torch.nn.Identity and dropout.training and dropout.p > 0:
        return "`lora_dropout` drops inputs"
    base, a, b = layer.base_layer, layer.lora_A[adapter], layer.lora_B[adapter]
    if any(is_hooked(each) for each in (base, a, b)):
        return "something is hooked to its parts"
    if type(a) is not torch.nn.Linear or type(b) is not torch.nn.Linear:
        return "its adapter is no plain LoRA"
    scale = layer.scaling[adapter]
    if type(base) is torch.nn.Linear:
        return Product(base.weight, base.bias, a.weight, b.weight, scale)
    state = getattr(base.weight, "quant_state", None)
    if type(base).__name__ != "Linear4bit" or state is None:
        return f"its base is {type(base).__name__}"
    if base.bias is not None and base.bias.requires_grad:
        return "its base in 4 bits has a bias that trains"
    # On a CPU bitsandbytes packs it anew for answers.
    if not torch.is_grad_enabled() or getattr(state, "packing_format_for_cpu", False):
        return "its base in 4 bits answers"
    return Product(a=a.weight, b=b.weight, scale=scale, packed=base)


_ADAPTED = ("Linear", "Linear4bit")

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def is_hooked(layer: Any) -> bool:
    """True where something wants to be told when `layer` is called."""
    return any(getattr(layer, each) for each in _HOOKS)


def multiply(product: Product, x: Tensor) -> Tensor | None:
    """The result for `x` [..., I]; None where types meet that the layer itself has to judge."""
    types = _types(product, x)
    if types is None:
        return None
    again, *source = made_of(x) or (None, None, None)
    how = _How(*types, product.scale, product.packed, again=again)
    # Several products read the same input, which autocast would cast, and keep, for each.
    given = _cast_once(x, how.compute) if torch.is_autocast_enabled(x.device.type) else x
    found: Tensor = _Function.apply(how, given, source, x, None, *_weights(product))
    return found


def multiply_gated(
    product: Product, activation: Activation, ops: Elementwise, gate: Tensor, up: Tensor | None
) -> Tensor | None:
    """The result for the activation of `gate` times `up`; without `up`, `gate` has both [..., 2 I]."""
    types = _types(product, gate)
    if types is None:
        return None
    how = _How(*types, product.scale, product.packed, ops, activation)
    found: Tensor = _Function.apply(how, None, (None, None), gate, up, *_weights(product))
    return found


def _weights(product: Product) -> tuple[Tensor | None, ...]:
    return product.weight, product.bias, product.a, product.b


def _types(product: Product, x: Tensor) -> tuple[torch.dtype, torch.dtype] | None:
    if x.dtype == torch.float64:
        return None
    if torch.is_autocast_enabled(x.device.type):
        kind = torch.get_autocast_dtype(x.device.type)
        return kind, kind
    compute = x.dtype if product.weight is None else product.weight.dtype
    if x.dtype != compute:
        return None
    return compute, compute if product.a is None else product.a.dtype


def _cast_once(x: Tensor, kind: torch.dtype) -> Tensor:
    if x.dtype == kind:
        return x
    before = getattr(x, _CAST, None)
    if before is None or before[0] != (kind, x._version):
        before = ((kind, x._version), x.detach().to(kind))
        setattr(x, _CAST, before)
    cast: Tensor = before[1]
    return cast


class _Function(torch.autograd.Function):
    """`x` is the input, which is read as `given`; or the gate, with `up` beside or within it.

    `source` is what a norm has made the input of.
    """

    @staticmethod
    def forward(
        ctx: Any,
        how: _How,
        given: Tensor | None,
        source: Sequence[Tensor | None],
        x: Tensor,
        up: Tensor | None,
        weight: Tensor | None,
        bias: Tensor | None,
        a: Tensor | None,
        b: Tensor | None,
    ) -> Tensor:
        h = _gated(how, x, up) if given is None else given
        with torch.autocast(x.device.type, enabled=False):
            if how.packed is not None:
                y = _packed(how.packed, h)
            else:
                assert weight is not None
                y = linear(h.to(how.compute), weight.to(how.compute), _as(bias, how.compute))
            low = None
            if a is not None and b is not None:
                low = linear(h.to(how.small), a.to(how.small))
                _add(y, low, b.to(how.small), how.scale)
        *_, to_x, to_up, to_weight, _, to_a, to_b = ctx.needs_input_grad
        gated = given is None
        kept: Sequence[Tensor | None] = (x, up) if gated else (given, None)
        if how.again is not None and (to_weight or to_a):
            how.again.read()
            kept = source
        ctx.save_for_backward(
            *(kept if to_weight or to_a or (gated and (to_x or to_up)) else (None, None)),
            weight if to_x or to_up else None,
            a if to_x or to_up else None,
            b,
            low if to_b else None,
        )
        ctx.how, ctx.gated, ctx.shape, ctx.kind = how, gated, x.shape, x.dtype
        ctx.kinds = [None if each is None else each.dtype for each in (weight, bias, a, b)]
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        how: _How = ctx.how
        *_, to_x, to_up, to_weight, to_bias, to_a, to_b = ctx.needs_input_grad
        kept, beside, weight, a, b, low = ctx.saved_tensors
        grad = grad.reshape(-1, grad.shape[-1])
        with torch.autocast(grad.device.type, enabled=False):
            small = None
            if b is not None and (to_a or to_x or to_up):
                small = (grad.to(how.small) @ b.to(how.small)).mul_(how.scale)
            h: Any = kept
            below: Any = None
            other: Tensor | None = None
            if to_x or to_up:
                below = _back(how, grad, weight)
                if small is not None:
                    _add(below, small, a.to(how.small).t(), 1.0)
                if ctx.gated:
                    again = to_weight or to_a
                    below, other, h = _gated_backward(how, below, kept, beside, again)
            elif ctx.gated and (to_weight or to_a):
                h = _gated(how, kept, beside)
            if how.again is not None and (to_weight or to_a):
                h = _cast_once(how.again.make(kept, beside), how.compute)
            of_weight, of_bias, of_a, of_b = ctx.kinds
            flat = h.reshape(-1, h.shape[-1]) if to_weight or to_a else None
            return (
                None,
                None,
                None,
                below.to(ctx.kind).view(ctx.shape) if to_x else None,
                other.to(ctx.kind).view(ctx.shape) if other is not None else None,
                _outer(grad, flat, how.compute).to(of_weight) if to_weight else None,
                grad.sum(0).to(of_bias) if to_bias else None,
                _outer(small, flat, how.small).to(of_a) if to_a else None,
                _outer(grad, _rows(low), how.small).mul_(how.scale).to(of_b) if to_b else None,
            )


def _gated(how: _How, gate: Tensor, up: Tensor | None) -> Tensor:
    assert how.ops is not None
    assert how.activation is not None
    if up is None:
        gate, up = gate.chunk(2, -1)
    return how.ops.gate(how.activation, gate, up)


def _gated_backward(
    how: _How, grad: Tensor, gate: Tensor, up: Tensor | None, again: bool
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    assert how.ops is not None
    assert how.activation is not None
    joined = up is None
    gate, up = gate.chunk(2, -1) if up is None else (gate, up)
    grad = grad.to(gate.dtype).view(gate.shape)
    to_gate, to_up, h = how.ops.gate_backward(how.activation, grad, gate, up, again)
    return (torch.cat((to_gate, to_up), -1), None, h) if joined else (to_gate, to_up, h)


def _packed(layer: Any, h: Tensor) -> Tensor:
    """As `bitsandbytes.nn.Linear4bit.forward` does in training."""
    from bitsandbytes import matmul_4bit

    kind = layer.compute_dtype or h.dtype
    bias, weight = _as(layer.bias, kind), layer.weight
    y: Tensor = matmul_4bit(h.to(kind), weight, bias=bias, quant_state=weight.quant_state)
    return y.to(h.dtype)


def _back(how: _How, grad: Tensor, weight: Tensor | None) -> Tensor:
    """The gradient of the input [N, I], through the weight."""
    if how.packed is None:
        assert weight is not None
        return grad.to(how.compute) @ weight.to(how.compute)
    from bitsandbytes.functional import dequantize_4bit

    packed = how.packed.weight
    kind = how.packed.compute_dtype or grad.dtype
    # As `bitsandbytes.autograd._functions.MatMul4Bit.backward` does.
    whole = dequantize_4bit(packed.data.view(-1, 1), packed.quant_state).to(kind)
    return (grad.to(kind) @ whole).to(grad.dtype)


def _add(y: Tensor, left: Tensor, right: Tensor, scale: float) -> None:
    """Add scale * left [N, R] right^T [O, R] to `y` [..., O]."""
    rows, left = _rows(y), _rows(left)
    if y.dtype == left.dtype:
        rows.addmm_(left, right.t(), alpha=scale)
    else:
        rows.add_(left @ right.t(), alpha=scale)


def _outer(left: Tensor, right: Tensor, kind: torch.dtype) -> Tensor:
    """left^T [O, N] times right [N, I], in this type."""
    return left.to(kind).t() @ right.to(kind)


def _rows(x: Tensor) -> Tensor:
    return x.view(-1, x.shape[-1])


def _as(x: Tensor | None, kind: torch.dtype) -> Tensor | None:
    return None if x is None else x.to(kind)
