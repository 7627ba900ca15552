"""Rows that share a sequence: which attention keeps them apart, and which models cannot.

Read twice: for a recipe from a model's `config.json`, and for a run from the configuration
that was loaded, which says more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recipe_runner.plan.plan import Plan

SEGMENTS = "segments"
"""The attention of `execute/attention`: document by document, without a mask."""

_APART = frozenset({"full_attention", "sliding_attention"})
"""Kinds of layers whose attention can be kept inside a document."""

_RECURRENT = (
    "conv_L_cache",
    "linear_conv_kernel_dim",
    "mamba_d_conv",
    "mamba_d_state",
    "ssm_cfg",
    "state_size",
    "time_step_rank",
)
"""Keys of configurations whose layers carry a state along the whole row."""


def joins_rows(plan: Plan) -> bool:
    """True where several rows may stand in one sequence of a batch of the run."""
    return plan.data.packing is not None or bool(plan.arguments.arguments.get("padding_free"))


def cannot_join(config: Mapping[str, Any]) -> str | None:
    """Why no attention keeps documents apart in this model; None where nothing is known against it."""
    text = config.get("text_config") or config
    kinds = set(text.get("layer_types") or ()) - _APART
    if kinds:
        return f"has layers of {' and '.join(sorted(kinds))}"
    if any(text.get(key) is not None for key in _RECURRENT):
        return "has recurrent layers, whose state runs through the whole row"
    if text.get("attention_chunk_size") is not None:
        return "attends in chunks of the whole row"
    if text.get("use_bidirectional_attention") or text.get("is_causal") is False:
        return "attends in both directions"
    return None


def has_experts(config: Mapping[str, Any]) -> bool:
    """True where the layers choose among experts."""
    text = config.get("text_config") or config
    names = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
    return any((text.get(name) or 0) > 1 for name in names)


def cannot_segment(config: Mapping[str, Any]) -> str | None:
    """Why `segments` cannot compute this model's attention; None where nothing is known against it."""
    text = config.get("text_config") or config
    if text.get("attn_logit_softcapping") is not None:
        return "caps its attention scores (`attn_logit_softcapping`)"
    if text.get("model_type") == "gpt_oss":
        return "has attention sinks"
    return None
