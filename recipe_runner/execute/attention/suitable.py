"""Refuses models that cannot keep the documents of a row apart, before anything trains."""

from __future__ import annotations

import inspect
from typing import Any

from recipe_runner.execute.attention.codes import MODEL_CANNOT_PACK
from recipe_runner.execute.fault import fault
from recipe_runner.plan import Plan
from recipe_runner.plan.joined import SEGMENTS, cannot_join, cannot_segment


def demand_joinable(model: Any, plan: Plan) -> None:
    """Report RR446 where `model` would let documents see each other, or cannot run joined rows."""
    attention = plan.model.load.get("attn_implementation")
    config = model.config.to_dict()
    why, instead = _why_never(model, config), "do not pack, and do not set `padding_free`"
    if why is None and attention == SEGMENTS:
        why, instead = _why_not_in_segments(model, config), "set `model.attn_implementation: eager`"
    if why is not None:
        raise fault(
            MODEL_CANNOT_PACK,
            plan.recipe_path,
            f"rows share a sequence, and {type(model).__name__} {why}",
            instead,
        )


def _why_never(model: Any, config: dict[str, Any]) -> str | None:
    if getattr(model, "_is_stateful", False):
        return "carries a state along the whole row"
    known = inspect.signature(model.forward).parameters
    if "position_ids" not in known:
        return "takes no `position_ids`, so positions cannot begin again"
    return cannot_join(config)


def _why_not_in_segments(model: Any, config: dict[str, Any]) -> str | None:
    # Models from before transformers' attention interface would ignore the name.
    if not getattr(model, "_supports_attention_backend", False):
        return "does not let its attention be replaced"
    if any(name.rpartition(".")[2] == "sinks" for name, _ in model.named_parameters()):
        return "has attention sinks"
    return cannot_segment(config)
