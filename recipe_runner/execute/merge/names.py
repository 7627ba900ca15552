"""Under which names weights are saved: those that the model's checkpoints have on the hub.

transformers renames weights while it loads some models, and packs the experts of a mixture
into one tensor. It turns that back while it saves. A model is turned back here decoder layer
by decoder layer, after a rehearsal without weights has shown that the result is the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from recipe_runner.execute.merge.shards import Entry

_LAYER = re.compile(r"(?:^|.*?\.)\d+\.")
"""The beginning of a name, up to the number of its decoder layer."""


@dataclass(frozen=True)
class Group:
    """Weights that are turned back together: their names in the model, and what is saved of them."""

    names: tuple[str, ...]
    saved: tuple[Entry, ...]


@dataclass(frozen=True)
class Names:
    """All weights in groups. `packed` is True where weights change, and not only their names."""

    groups: tuple[Group, ...]
    packed: bool

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything that is saved, in order."""
        return tuple(entry for group in self.groups for entry in group.saved)


def names_of(model: Any, weights: Iterable[Entry]) -> Names:
    """How `weights` of `model`, by the names that they have there, are saved."""
    import torch

    blank = {
        each.name: torch.empty(each.shape, dtype=each.dtype, device="meta") for each in weights
    }
    whole = turned_back(model, blank)
    own = {id(tensor): name for name, tensor in blank.items()}
    saved = {own[id(tensor)]: name for name, tensor in whole.items() if id(tensor) in own}
    if len(saved) == len(blank) == len(whole):
        groups = [Group((name,), (_entry(saved[name], each),)) for name, each in blank.items()]
        return Names(tuple(groups), packed=False)
    by_layer: dict[str, list[str]] = {}
    for name in blank:
        found = _LAYER.match(name)
        by_layer.setdefault(found.group() if found else name, []).append(name)
    layers = [
        Group(tuple(part), _entries(turned_back(model, {name: blank[name] for name in part})))
        for part in by_layer.values()
    ]
    if sorted(_known(layers)) == sorted(_known([Group((), _entries(whole))])):
        return Names(tuple(layers), packed=True)
    return Names((Group(tuple(blank), _entries(whole)),), packed=True)


def turned_back(model: Any, weights: Mapping[str, Any]) -> dict[str, Any]:
    """`weights` as they are saved."""
    from transformers.core_model_loading import revert_weight_conversion

    back: dict[str, Any] = revert_weight_conversion(model, dict(weights))
    return back


def _entries(weights: Mapping[str, Any]) -> tuple[Entry, ...]:
    return tuple(_entry(name, tensor) for name, tensor in weights.items())


def _entry(name: str, tensor: Any) -> Entry:
    return Entry(name, tuple(tensor.shape), tensor.dtype)


def _known(groups: Iterable[Group]) -> list[tuple[str, tuple[int, ...]]]:
    return [(entry.name, entry.shape) for group in groups for entry in group.saved]
