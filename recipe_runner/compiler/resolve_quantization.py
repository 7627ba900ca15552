"""Recognises a checkpoint whose weights are quantized already."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from recipe_runner.compiler.resolved import Draft
from recipe_runner.components.base import create, discover
from recipe_runner.components.quantization import Quantization

AXIS = "recipe_runner.components.quantizations"


def resolve_quantization(draft: Draft) -> Draft:
    """Take the quantization of the checkpoint where the recipe names none."""
    facts = draft.around.model
    config = facts.config.get("quantization_config") if facts is not None else None
    if draft.recipe.quantization is not None or not isinstance(config, Mapping):
        return draft
    found = _recognised(config)
    if found is None:
        return draft
    return draft.decide("quantization", found, "the weights of the checkpoint are quantized so")


def _recognised(config: Mapping[str, Any]) -> Quantization | None:
    for name, kind in discover(AXIS).items():
        assert issubclass(kind, Quantization)
        if kind.made(config):
            try:
                quantization: Quantization = create(AXIS, {"type": name, **kind.options_of(config)})
            except ValidationError:
                # An option of another release: the checkpoint's own counts in any case.
                quantization = create(AXIS, {"type": name})
            return quantization
    return None
