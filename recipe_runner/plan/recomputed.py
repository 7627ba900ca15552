"""Options of activation checkpointing in words, for plans and reasons."""

from collections.abc import Mapping
from typing import Any


def layers_words(options: Mapping[str, Any]) -> str:
    """What becomes of activations with these `activation_checkpointing_kwargs`."""
    every = options.get("every_n_layers", 1)
    whole = every == 1
    words = "all layers" if whole else f"every {_ordinal(every)} layer"
    if options.get("selective"):
        words += " but their attention" if whole else " but its attention"
    words += " are computed again" if whole else " is computed again"
    if options.get("offload"):
        words += ", from inputs in the memory of the host"
    return words


def _ordinal(number: Any) -> str:
    if isinstance(number, int) and number % 100 not in (11, 12, 13):
        ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
        return f"{number}{ending}"
    return f"{number}th"
