"""Writes the merged weights: one adapted layer in memory at a time, straight into its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from recipe_runner.execute.codes.merge import NOT_MERGEABLE
from recipe_runner.execute.fault import fault
from recipe_runner.execute.merge.mapped import Mapped
from recipe_runner.execute.merge.names import Group, Names, names_of, turned_back
from recipe_runner.execute.merge.shards import Entry, Writer, shared_out
from recipe_runner.execute.merge.telling import Meter, Told, gib
from recipe_runner.execute.merge.units import adapted, merge_layer, owner, rounded


@dataclass(frozen=True)
class Weights:
    """The weights of a model before an adapter was put on it.

    `entries` are those that a checkpoint has, with the types of the model; `tied` are names
    of the model for a weight that is saved under another one.
    """

    entries: tuple[Entry, ...]
    tied: dict[str, str]


def weights_of(model: Any) -> Weights:
    """What a checkpoint of `model` has."""
    ignored = set(getattr(model, "_keys_to_ignore_on_save", None) or ())
    targets = set(getattr(model, "all_tied_weights_keys", None) or ())
    state = model.state_dict(keep_vars=True)
    first: dict[int, str] = {}
    # Upstream says which of two names is the copy: that one is not saved.
    for name in sorted(state, key=lambda each: each in targets):
        first.setdefault(id(state[name]), name)
    tied = {name: first[id(weight)] for name, weight in state.items() if first[id(weight)] != name}
    return Weights(
        tuple(
            Entry(name, tuple(weight.shape), weight.dtype)
            for name, weight in state.items()
            if name not in tied and name not in ignored
        ),
        {name: of for name, of in tied.items() if name not in ignored},
    )


@dataclass
class Merging:
    """A base with an adapter on it, whose weights are taken out in the order they are written.

    `trained` is the type of the base's weights in the run, `dtype` that of the result.
    """

    model: Any
    mapped: Mapped
    trained: Any
    dtype: Any
    where: Path
    _layers: dict[str, Any] = field(init=False)
    _names: frozenset[str] = field(init=False)
    _ready: dict[str, Any] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._layers = adapted(self.model)
        self._names = frozenset(self._layers)

    def typed(self, entry: Entry) -> Entry:
        """The entry with the type that it is saved in: some weights have one of their own."""
        return replace(entry, dtype=self.dtype) if entry.dtype == self.trained else entry

    def loosened(self, tied: dict[str, str]) -> dict[str, str]:
        """Those of the `tied` weights that merging makes different from the one that they were."""
        import torch

        loose = {}
        for name, of in tied.items():
            if owner(name, self._names) is None and owner(of, self._names) is None:
                continue
            mine, other = self._take(name), self._take(of)
            # What was merged is in float32, what was not in the type of the checkpoint.
            if not torch.equal(mine.float(), other.float()):
                loose[name] = of
                self._ready[name] = mine
            self._ready[of] = other
        return loose

    def weight(self, entry: Entry) -> Any:
        """The merged weight of `entry`, in its type. Reports RR731 where it is not finite."""
        taken = self._take(entry.name)
        if owner(entry.name, self._names) is None and taken.dtype == entry.dtype:
            return taken
        return rounded(taken, entry.dtype, entry.name, str(self.where))

    def release(self) -> None:
        """Give the memory of what was read back."""
        self.mapped.give_back()

    def _take(self, name: str) -> Any:
        if name in self._ready:
            return self._ready.pop(name)
        layer = owner(name, self._names)
        if layer is None:
            return self.model.get_parameter_or_buffer(name)
        self._ready |= self._merge(layer)
        return self._ready.pop(name)

    def _merge(self, name: str) -> dict[str, Any]:
        try:
            # The last reference to a layer would keep its copy of the weights.
            return merge_layer(self.model, name, self._layers.pop(name))
        except (ValueError, NotImplementedError, RuntimeError) as error:
            if "memory" in str(error):
                raise
            raise fault(
                NOT_MERGEABLE,
                self.where,
                f"the adapter cannot be merged into {name}: {error}",
                "use base and adapter together, as recipe-run chat does",
            ) from error


def write_weights(
    merging: Merging, weights: Weights, folder: Path, limit: int, told: Told, meter: Meter
) -> dict[str, str]:
    """Write all weights in files of at most `limit` bytes; returns what is no longer tied.

    Reports RR731 and RR732.
    """
    loose = merging.loosened(weights.tied)
    shapes = {entry.name: entry for entry in weights.entries}
    own = [merging.typed(replace(shapes[of], name=name)) for name, of in loose.items()]
    entries = {each.name: each for each in (*map(merging.typed, weights.entries), *own)}
    names = names_of(merging.model, entries.values())
    if names.packed and len(names.groups) == 1:
        told(f"its checkpoint has other weights than the model: {gib(_bytes(names))} are needed")
    done = 0
    with Writer(folder, shared_out(names.entries, limit), merging.release) as writer:
        for group in names.groups:
            for name, tensor in _saved(merging, group, entries, names.packed):
                writer.write(name, tensor)
            merging.release()
            done += len(group.saved)
            meter(done, len(names.entries))
    return loose


def _saved(
    merging: Merging, group: Group, entries: dict[str, Entry], packed: bool
) -> Iterator[tuple[str, Any]]:
    if not packed:
        yield group.saved[0].name, merging.weight(entries[group.names[0]])
        return
    yield from turned_back(
        merging.model, {name: merging.weight(entries[name]) for name in group.names}
    ).items()


def _bytes(names: Names) -> int:
    return sum(entry.count for entry in names.entries)
