"""Finds out what another package has patched on a loaded model, to take it off again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_ABSENT = object()


@dataclass(frozen=True)
class Change:
    """A name that has another value, in a module of the model or of Python."""

    names: dict[str, Any]
    name: str
    before: Any

    def undo(self) -> None:
        """Put the value back that there was, or take the name away."""
        if self.before is _ABSENT:
            self.names.pop(self.name, None)
        else:
            self.names[self.name] = self.before


class Seen:
    """The attributes of a model's modules, and the names beside its classes, as they are now."""

    def __init__(self, model: Any) -> None:
        modules = list(model.modules())
        # Functions that `kernels` can replace hang on modules without being a part of them.
        held = (f for each in modules for f in getattr(each, "_kernel_funcs", {}).values())
        self._modules = [*modules, *{id(each): each for each in held}.values()]
        files = {type(each).__module__ for each in modules}
        self._files = [sys.modules[name] for name in files if name.startswith("transformers.")]
        self._before = [dict(vars(each)) for each in (*self._modules, *self._files)]

    def changes(self) -> list[Change]:
        """What has another value than it had."""
        return [
            Change(vars(each), name, before.get(name, _ABSENT))
            for each, before in self._pairs()
            for name, value in vars(each).items()
            if before.get(name, _ABSENT) is not value
        ]

    def patched(self) -> list[Any]:
        """The modules of the model that compute in another way."""
        pairs = zip(self._modules, self._before, strict=False)
        return [each for each, old in pairs if vars(each).get("forward") is not old.get("forward")]

    def undo(self, which: Callable[[Change], bool] = lambda _: True) -> None:
        """Undo the changes that `which` is true of."""
        for change in self.changes():
            if which(change):
                change.undo()

    def _pairs(self) -> Iterator[tuple[Any, dict[str, Any]]]:
        return zip((*self._modules, *self._files), self._before, strict=True)
