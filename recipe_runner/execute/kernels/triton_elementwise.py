"""The functions of `elementwise` as kernels of Triton: each goes over its numbers once.

Imported where Triton is, which PyTorch brings along on a GPU. With TRITON_INTERPRET=1 they take
tensors of a CPU.

N: rows, H: features of a token, I: features inside a gate.
"""

# ruff: noqa: N803 - what is known when a kernel is compiled is written in capitals
from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from recipe_runner.execute.kernels.elementwise import Activation, Norm

NAME = "triton"

_KINDS = {"silu": 0, "gelu": 1, "gelu_tanh": 2}
_BLOCK = 1024
"""Numbers of a row of a gate that a program takes."""
_WIDEST = 65536
"""Most numbers in a block of Triton that fits in the registers of a GPU's core."""
_TILE = 2048
"""Numbers that a program of a norm takes at least, so that short rows go together."""


@triton.jit
def _active(x, KIND: tl.constexpr):  # type: ignore[no-untyped-def]
    if KIND == 0:
        found = x * tl.sigmoid(x)
    elif KIND == 1:
        found = 0.5 * x * (1.0 + tl.erf(x * 0.7071067811865476))
    else:
        # The tangent of z is 2 sigmoid(2 z) - 1.
        found = x * tl.sigmoid(1.5957691216057308 * (x + 0.044715 * x * x * x))
    return found


@triton.jit
def _slope(x, KIND: tl.constexpr):  # type: ignore[no-untyped-def]
    if KIND == 0:
        part = tl.sigmoid(x)
        found = part * (1.0 + x * (1.0 - part))
    elif KIND == 1:
        below = 0.5 * (1.0 + tl.erf(x * 0.7071067811865476))
        found = below + x * 0.3989422804014327 * tl.exp(-0.5 * x * x)
    else:
        part = tl.sigmoid(1.5957691216057308 * (x + 0.044715 * x * x * x))
        inner = 1.5957691216057308 * (1.0 + 0.134145 * x * x)
        found = part + x * part * (1.0 - part) * inner
    return found


@triton.jit
def _gate(gate, up, out, gates, ups, outs, size, KIND: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    g = tl.load(gate + row * gates + at, mask=inside, other=0.0).to(tl.float32)
    u = tl.load(up + row * ups + at, mask=inside, other=0.0)
    # PyTorch rounds the activation before it multiplies.
    active = _active(g, KIND).to(u.dtype).to(tl.float32)
    found = active * u.to(tl.float32)
    tl.store(out + row * outs + at, found.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _gate_backward(  # type: ignore[no-untyped-def]
    grad, gate, up, to_gate, again, gates, ups, outs, size,
    KIND: tl.constexpr, AGAIN: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    above = tl.load(grad + row * outs + at, mask=inside, other=0.0)
    g = tl.load(gate + row * gates + at, mask=inside, other=0.0).to(tl.float32)
    u = tl.load(up + row * ups + at, mask=inside, other=0.0).to(tl.float32)
    kind = above.dtype
    wide = above.to(tl.float32)
    active = _active(g, KIND).to(kind).to(tl.float32)
    if AGAIN:
        tl.store(again + row * outs + at, (active * u).to(kind), mask=inside)
    below = (wide * u).to(kind).to(tl.float32) * _slope(g, KIND)
    tl.store(to_gate + row * outs + at, below.to(kind), mask=inside)
    # The gradient of the other factor takes the place of the gradient that came.
    tl.store(grad + row * outs + at, (wide * active).to(kind), mask=inside)


@triton.jit
def _norm(  # type: ignore[no-untyped-def]
    x, weight, out, root, count, size, eps,
    OFFSET: tl.constexpr, FIRST: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    rows = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = (rows[:, None] < count) & (at[None, :] < size)
    places = rows[:, None] * size + at[None, :]
    given = tl.load(x + places, mask=inside, other=0.0)
    wide = given.to(tl.float32)
    r = 1.0 / tl.sqrt(tl.sum(wide * wide, axis=1) / size + eps)
    tl.store(root + rows, r, mask=rows < count)
    found = wide * r[:, None]
    if FIRST:
        found = found.to(given.dtype).to(tl.float32)
    w = tl.load(weight + at, mask=at < size, other=0.0).to(tl.float32)
    if OFFSET:
        w = w + 1.0
    tl.store(out + places, (found * w[None, :]).to(out.dtype.element_ty), mask=inside)


@triton.jit
def _norm_backward(  # type: ignore[no-untyped-def]
    grad, x, weight, root, to_x, to_weight, count, size, tiles,
    OFFSET: tl.constexpr, FIRST: tl.constexpr, TRAINS: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    program = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    w = tl.load(weight + at, mask=at < size, other=0.0).to(tl.float32)
    if OFFSET:
        w = w + 1.0
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    for tile in range(program, tiles, tl.num_programs(0)):
        rows = (tile * ROWS + tl.arange(0, ROWS)).to(tl.int64)
        inside = (rows[:, None] < count) & (at[None, :] < size)
        places = rows[:, None] * size + at[None, :]
        given = tl.load(x + places, mask=inside, other=0.0)
        above = tl.load(grad + places, mask=inside, other=0.0).to(tl.float32)
        r = tl.load(root + rows, mask=rows < count, other=0.0)
        found = given.to(tl.float32) * r[:, None]
        if TRAINS:
            seen = found.to(given.dtype).to(tl.float32) if FIRST else found
            total += tl.sum(above * seen, axis=0)
        above = above * w[None, :]
        mean = tl.sum(above * found, axis=1) / size
        below = (above - found * mean[:, None]) * r[:, None]
        tl.store(to_x + places, below.to(to_x.dtype.element_ty), mask=inside)
    if TRAINS:
        tl.store(to_weight + program * size + at, total, mask=at < size)


def gate(kind: Activation, gate: Tensor, up: Tensor) -> Tensor:
    """See `Elementwise.gate`."""
    rows, others = _rows(gate), _rows(up)
    out = torch.empty(rows.shape, dtype=gate.dtype, device=gate.device)
    _gate[_grid(rows)](
        rows, others, out, rows.stride(0), others.stride(0), out.stride(0), rows.shape[1],
        KIND=_KINDS[kind], BLOCK=_BLOCK,
    )  # fmt: skip
    return out.view(gate.shape)


def gate_backward(
    kind: Activation, grad: Tensor, gate: Tensor, up: Tensor, again: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """See `Elementwise.gate_backward`."""
    rows, others = _rows(gate), _rows(up)
    above = grad.contiguous().view(rows.shape)
    to_gate = torch.empty_like(above)
    product = torch.empty_like(above) if again else None
    _gate_backward[_grid(rows)](
        above, rows, others, to_gate, product if product is not None else to_gate,
        rows.stride(0), others.stride(0), above.stride(0), rows.shape[1],
        KIND=_KINDS[kind], AGAIN=again, BLOCK=_BLOCK,
    )  # fmt: skip
    made = None if product is None else product.view(gate.shape)
    return to_gate.view(gate.shape), above.view(gate.shape), made


def norm(how: Norm, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """See `Elementwise.norm`."""
    x = x.contiguous()
    count, size = x.shape
    kind = torch.promote_types(x.dtype, weight.dtype) if how.rounds_first else x.dtype
    out = torch.empty(x.shape, dtype=kind, device=x.device)
    root = torch.empty((count, 1), dtype=torch.float32, device=x.device)
    block, tile, warps = _shape(size)
    _norm[(triton.cdiv(count, tile),)](
        x, weight, out, root, count, size, how.eps,
        OFFSET=how.offset, FIRST=how.rounds_first, ROWS=tile, BLOCK=block, num_warps=warps,
    )  # fmt: skip
    return out, root


def norm_backward(
    how: Norm, grad: Tensor, x: Tensor, weight: Tensor, root: Tensor, trains: bool
) -> tuple[Tensor, Tensor | None]:
    """See `Elementwise.norm_backward`."""
    x, grad = x.contiguous(), grad.contiguous()
    count, size = x.shape
    block, tile, warps = _shape(size)
    tiles = triton.cdiv(count, tile)
    programs = min(tiles, _cores(x.device))
    to_x = torch.empty_like(x)
    parts = torch.empty((programs, size) if trains else 1, dtype=torch.float32, device=x.device)
    _norm_backward[(programs,)](
        grad, x, weight, root, to_x, parts, count, size, tiles,
        OFFSET=how.offset, FIRST=how.rounds_first, TRAINS=trains,
        ROWS=tile, BLOCK=block, num_warps=warps,
    )  # fmt: skip
    return to_x, parts.sum(0).to(weight.dtype) if trains else None


def _shape(size: int) -> tuple[int, int, int]:
    """The block of a row of a norm, the rows of a program, and its warps."""
    block = triton.next_power_of_2(size)
    if block > _WIDEST:
        raise ValueError(f"rows of {size:,} numbers are wider than a block of Triton")
    tile = max(1, _TILE // block)
    return block, tile, max(4, min(16, block * tile // 512))


def _cores(device: torch.device) -> int:
    if device.type != "cuda":
        return 4
    return 4 * int(torch.cuda.get_device_properties(device).multi_processor_count)


def _grid(rows: Tensor) -> tuple[int, int]:
    return rows.shape[0], triton.cdiv(rows.shape[1], _BLOCK)


def _rows(x: Tensor) -> Any:
    """As [N, I], with neighbours in a row beside each other; halves of a tensor are not copied."""
    rows = x.flatten(0, -2)
    return rows if rows.stride(-1) == 1 else rows.contiguous()
