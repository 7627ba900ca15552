"""What an optimizer remembers of each parameter, in bytes."""

import re
from collections.abc import Mapping
from typing import Any

_BLOCK = 256
"""Numbers that share a scale in the 8-bit states of bitsandbytes and torchao; 128 in 4 bits."""

_LOW_RANK = 128
"""Rank of GaLore and APOLLO where the recipe names none (transformers' default)."""

_NUMBERS: tuple[tuple[str, int], ...] = (
    # By the first pattern that is found in the name: numbers that are kept for a parameter.
    (r"lomo", 0),
    (r"adafactor", 0),
    (r"schedule_free_sgd", 1),
    (r"lion|adagrad|rmsprop|muon", 1),
    (r"ademamix|grokadamw", 3),
    (r"sgd", 0),
)


def state_bytes(name: str, options: Mapping[str, Any], width: int, smallest_side: int = 0) -> float:
    """Bytes per trained parameter of the optimizer `name` with its `optim_args`.

    `width` is that of a parameter, in bytes, and of what torch's own optimizers keep for it.
    `smallest_side` is the usual smaller side of the matrices that train, for optimizers that keep
    rows and columns, or a projection; 0 where it is not known.

    Source: arXiv 2110.02861 (8 bits), 2309.01507 (4 bits), 1804.04235 (Adafactor); bitsandbytes
    keeps 32-bit states in float32 whatever the parameter.
    """
    numbers = next((count for pattern, count in _NUMBERS if re.search(pattern, name)), 2)
    if name == "sgd" and options.get("momentum"):
        numbers = 1
    each: float = width
    if name.endswith("4bit"):
        each = 0.5 + 4 / (_BLOCK / 2)
    elif name.endswith("8bit") or name in ("adamw_bnb_8bit", "lion_8bit"):
        each = 1 + 4 / _BLOCK
    elif re.search(r"bnb|32bit|paged|ademamix", name):
        each = 4
    found = numbers * each
    if "adafactor" in name and smallest_side:
        found = 2 * 4 / smallest_side
    if re.match(r"galore|apollo", name) and smallest_side:
        rank = int(options.get("rank") or _LOW_RANK)
        # The two moments of the projected gradient, and the projection.
        found *= min(1.0, 1.5 * rank / smallest_side)
    return found


def step_bytes(name: str, width: int, *, cpu: bool) -> float:
    """Bytes per trained parameter that the update itself needs.

    Torch's optimizers on a GPU update all parameters at once and hold one number for each, but
    for those that are fused. On a CPU, and elsewhere, they go one parameter after the other.
    """
    plain = re.fullmatch(r"adamw_torch|sgd|adagrad|rmsprop", name) is not None
    return float(width) if plain and not cpu else 0.0
