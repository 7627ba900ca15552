"""A document: the plain values of a recipe and the place of each key and value.

It knows nothing of schemas. Paths are tuples of mapping keys and list indices;
`()` is the root.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from recipe_runner.diagnostics import WHOLE_FILE, Place, Span
from recipe_runner.syntax.source import Source

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class NodeSpans:
    """Where a node stands: its key (None for the root and list items) and its value.

    A value that is not written (`adapter:`) has an empty span behind the colon. Below
    an alias, every span is that of the alias.
    """

    key: Span | None
    value: Span


@dataclass(frozen=True)
class Document:
    """One recipe file, read.

    `value` is made of dict, list, str, int, float, bool and None only. `spans` has an
    entry for every node. `overrides` maps a path that the command line set to the
    text of that argument; diagnostics below such a path point there.
    """

    path: str
    text: str
    value: Any
    spans: Mapping[Path, NodeSpans]
    overrides: Mapping[Path, str] = field(default_factory=dict)

    def place(self, path: Path, *, of_key: bool = False) -> Place:
        """The place of the value at `path`, or of its key, or of the nearest parent there is."""
        for cut in range(len(path), -1, -1):
            if path[:cut] in self.overrides:
                return Place(path=f"--set {self.overrides[path[:cut]]}")
        path = self._written(path)
        exact = path in self.spans
        while path not in self.spans and path:
            path = path[:-1]
        spans = self.spans.get(path)
        span = WHOLE_FILE if spans is None else spans.value
        if spans is not None and spans.key is not None and (of_key or not exact):
            span = spans.key
        return Place(self.path, span, self.line(span.start.line))

    def _written(self, path: Path) -> Path:
        """The path as the file has it, which may leave out the list around a single item."""
        bare = tuple(element for element in path if element != 0)
        return bare if path not in self.spans and bare in self.spans else path

    def line(self, number: int) -> str | None:
        """The text of line `number`, counted from 1, without its line break."""
        return self._source.line(number)

    @cached_property
    def _source(self) -> Source:
        return Source(self.text, self.path)


def dotted(path: Path) -> str:
    """The path as messages and `--set` write it: `data.train.0.path`.

    A key that holds a dot, an equals sign, a quote or nothing stands in double quotes.
    """
    return ".".join(
        f'"{part}"' if isinstance(part, str) and _needs_quotes(part) else str(part) for part in path
    )


def _needs_quotes(key: str) -> bool:
    return not key or any(ch in key for ch in '.="') or key.isdigit()
