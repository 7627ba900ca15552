"""Segment-wise attention: the documents of a joined row, one after the other.

A row of N documents costs the sum of their squares, not the square of their sum, and no
mask of T x T is made. On CUDA, in 16 bits, one kernel takes all documents; elsewhere each
document is a call of PyTorch's scaled dot-product attention with its causal path.
The kernel is PyTorch's, unless a run brings another one (`with_kernel`).

A batch that is not joined (padded rows, or generation) goes to transformers' `sdpa`.

H: query heads, G: key and value heads, T: tokens of the row, D: size of a head,
L: tokens of one document.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from recipe_runner.plan.joined import SEGMENTS

if TYPE_CHECKING:
    import torch

    from recipe_runner.execute.attention.kernels import InUse

_LARGEST_HEAD = 256
"""Of PyTorch's kernel for variable lengths (`torch.nn.attention.varlen`)."""

_brought: InUse | None = None


@contextlib.contextmanager
def with_kernel(kernel: InUse) -> Iterator[None]:
    """Within it, rows on CUDA go through `kernel` wherever it takes them."""
    global _brought
    before, _brought = _brought, kernel
    try:
        yield
    finally:
        _brought = before


@cache
def register() -> None:
    """Make the name known to transformers, for the attention and for its mask."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(SEGMENTS, attend)
    AttentionMaskInterface.register(SEGMENTS, mask)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of `query` [B, H, T, D] over `key` and `value` [B, G, T, D]; gives [B, T, H, D].

    Joined rows are told by their borders, `cu_seq_lens_q` [N + 1], or where those are
    missing by positions that begin again. What this cannot compute (a soft cap, sinks,
    both directions) is refused before the run by `demand_joinable`.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    borders = _borders(query, key, attention_mask, kwargs)
    if borders is None:
        found: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
        return found
    window = kwargs.get("sliding_window")
    if query.is_cuda:
        query, key, value = _as_computed(query, key, value)
    if _has_kernel(query, dropout):
        return _in_one_kernel(query, key, value, borders, window, scaling, kwargs), None
    return _one_by_one(query, key, value, borders, window, dropout, scaling), None


def mask(*args: Any, **kwargs: Any) -> torch.Tensor | None:
    """The mask of a padded batch, and None for a joined row, whose borders say it all.

    Source: `transformers.masking_utils.create_causal_mask`, which forbids to skip the mask
    where positions begin again, and calls with `use_vmap` for masks of a model's own.
    """
    from transformers.masking_utils import sdpa_mask

    joined = (
        kwargs.get("attention_mask") is None
        and not kwargs.get("allow_is_causal_skip", True)
        and not kwargs.get("use_vmap", False)
        and kwargs["batch_size"] == 1
        and kwargs["q_length"] == kwargs["kv_length"]
    )
    if joined:
        return None
    found: torch.Tensor | None = sdpa_mask(*args, **kwargs)
    return found


def _borders(
    query: torch.Tensor,
    key: torch.Tensor,
    attention_mask: torch.Tensor | None,
    kwargs: dict[str, Any],
) -> torch.Tensor | None:
    """Where documents begin and the last one ends, int32 [N + 1]; None for a batch of whole rows."""
    import torch

    tokens = query.shape[2]
    if attention_mask is not None or query.shape[0] != 1 or tokens != key.shape[2] or tokens < 2:
        return None
    borders: torch.Tensor | None = kwargs.get("cu_seq_lens_q")
    positions: torch.Tensor | None = kwargs.get("position_ids")
    if borders is not None or positions is None or positions.dim() != 2:
        return borders
    starts = (positions[0].diff() != 1).nonzero().flatten() + 1
    if not len(starts):
        return None
    ends = torch.tensor([tokens], device=starts.device)
    return torch.cat([ends * 0, starts, ends]).to(torch.int32)


def _as_computed(*tensors: torch.Tensor) -> list[torch.Tensor]:
    """The same in one type, that of autocast: positions in float32 turn queries and keys into it."""
    import torch

    dtype, device = tensors[0].dtype, tensors[0].device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
    return [each.to(dtype) for each in tensors]


def _one_by_one(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    borders: torch.Tensor,
    window: int | None,
    dropout: float,
    scaling: float | None,
) -> torch.Tensor:
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    sizes = borders.diff().tolist()
    shared = query.shape[1] != key.shape[1]
    dtype = query.dtype
    if torch.is_autocast_enabled(query.device.type):
        dtype = torch.get_autocast_dtype(query.device.type)
    if not query.is_cuda:
        # Its gradient in 16 bits takes PyTorch 2.5 times as long on a CPU, for rows up to 128.
        wide = torch.promote_types(query.dtype, torch.float32)
        query, key, value = query.to(wide), key.to(wide), value.to(wide)
    with torch.autocast(query.device.type, enabled=False):
        parts = [
            scaled_dot_product_attention(
                q,
                k,
                v,
                attn_mask=None if window is None or q.shape[2] <= window else _band(q, window),
                dropout_p=dropout,
                is_causal=window is None or q.shape[2] <= window,
                scale=scaling,
                enable_gqa=shared,
            )
            for q, k, v in zip(
                query.split(sizes, 2), key.split(sizes, 2), value.split(sizes, 2), strict=True
            )
        ]
    return torch.cat(parts, 2).to(dtype).transpose(1, 2).contiguous()


def _band(query: torch.Tensor, window: int) -> torch.Tensor:
    """The causal mask [L, L] of one document in which a token sees `window` tokens, itself included."""
    import torch

    ones = torch.ones(query.shape[2], query.shape[2], dtype=torch.bool, device=query.device)
    return ones.tril().triu(1 - window)


def _has_kernel(query: torch.Tensor, dropout: float) -> bool:
    import torch

    return (
        query.is_cuda
        and dropout == 0
        and query.dtype in (torch.bfloat16, torch.float16)
        and query.shape[-1] <= _LARGEST_HEAD
        and _device_has_kernel(query.device.index or 0)
    )


@cache
def _device_has_kernel(device: int) -> bool:
    """True from compute capability 8.0 on, where PyTorch's flash attention runs."""
    import torch

    if torch.cuda.get_device_capability(device) < (8, 0):
        return False
    try:
        import torch.nn.attention.varlen  # since PyTorch 2.10
    except ImportError:
        return False
    return True


def _in_one_kernel(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    borders: torch.Tensor,
    window: int | None,
    scaling: float | None,
    kwargs: dict[str, Any],
) -> torch.Tensor:
    from torch.nn.attention.varlen import varlen_attn

    longest = kwargs.get("max_length_q") or int(borders.diff().max())
    if _brought is not None and _brought.takes(query):
        return _brought(query, key, value, borders, longest, window, scaling)
    found = varlen_attn(
        *(each[0].transpose(0, 1).contiguous() for each in (query, key, value)),
        borders,
        borders,
        longest,
        longest,
        scale=scaling,
        # (-1, 0) is causal; a window of W tokens holds the token itself and W - 1 before it.
        window_size=(-1 if window is None else window - 1, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    assert not isinstance(found, tuple)
    return found[None]
