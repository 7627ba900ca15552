"""Refuses models that cannot keep the documents of a row apart, before anything trains."""

from __future__ import annotations

import inspect
from typing import Any

from recipe_runner.execute.attention.codes import MODEL_CANNOT_PACK
from recipe_runner.execute.fault import fault
from recipe_runner.plan import Plan
from recipe_runner.plan.joined import SEGMENTS, cannot_join, cannot_segment


def why_not_joinable(model: Any) -> str | None:
    """Why documents in one row of `model`, with `segments`, would not be what they are alone."""
    config = model.config.to_dict()
    return _why_never(model, config) or _why_not_in_segments(model, config)


def why_class_cannot(auto_class: Any, config: Any) -> str | None:
    """Why the attention of a model cannot be replaced, by its class: before it is loaded.

    Classes from before transformers' attention interface look the name up in a table of their
    own, or make masks that are none for it.
    """
    known = auto_class._model_mapping
    kind = known.get(type(config), None)
    if isinstance(kind, tuple):
        kind = kind[0]
    if kind is None:
        return "is of a class that transformers does not know"
    if not getattr(kind, "_supports_attention_backend", False):
        return "does not let its attention be replaced"
    return None


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


def _reads_mask(module: Any) -> bool:
    """True for embeddings of positions that count what a mask leaves."""
    import torch

    return isinstance(module, torch.nn.Embedding) and (
        "attention_mask" in inspect.signature(module.forward).parameters
    )


def _why_not_in_segments(model: Any, config: dict[str, Any]) -> str | None:
    # Models from before transformers' attention interface would ignore the name.
    if not getattr(model, "_supports_attention_backend", False):
        return "does not let its attention be replaced"
    if any(name.rpartition(".")[2] == "sinks" for name, _ in model.named_parameters()):
        return "has attention sinks"
    # Encoders take part in the interface as well, and look both ways.
    looks = {each.is_causal for each in model.modules() if hasattr(each, "is_causal")}
    if looks != {True}:
        return "does not say that its attention looks back only"
    if any(_reads_mask(each) for each in model.modules()):
        return "takes positions from the mask of a batch"
    return cannot_segment(config)
