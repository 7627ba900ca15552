"""Reads the weights of a model folder one tensor at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from recipe_runner.execute.codes.during import NON_FINITE_LOSS
from recipe_runner.execute.fault import fault


@dataclass(frozen=True)
class Shape:
    """What is known of a tensor without reading it: its size and safetensors' word for its type."""

    size: tuple[int, ...]
    dtype: str


class Weights:
    """The safetensors of a folder; a context manager that keeps their files open."""

    def __init__(self, folder: Path) -> None:
        self._files = _files(folder)
        self._stack = ExitStack()
        self._open: dict[Path, Any] = {}

    def __enter__(self) -> Weights:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()
        self._open.clear()

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def shape(self, name: str) -> Shape:
        """The size and type of a tensor."""
        part = self._file(name).get_slice(name)
        return Shape(tuple(part.get_shape()), str(part.get_dtype()))

    def read(self, name: str) -> Any:
        """One tensor, as numpy float32."""
        return self._file(name).get_tensor(name).float().numpy()

    def _file(self, name: str) -> Any:
        from safetensors import safe_open

        path = self._files[name]
        if path not in self._open:
            self._open[path] = self._stack.enter_context(safe_open(path, framework="pt"))
        return self._open[path]


def demand_finite_weights(folder: Path) -> None:
    """Report RR703 for the first tensor of a model folder with a number that is not finite."""
    with Weights(folder) as weights:
        for name in weights:
            demand_finite(folder, name, weights.read(name))


def demand_finite(folder: Path, name: str, value: Any) -> None:
    """Report RR703 where a tensor of the model in `folder` has a number that is not finite."""
    import numpy as np

    if not np.isfinite(value).all():
        raise fault(
            NON_FINITE_LOSS,
            folder,
            f"{name} has numbers that are not finite, and the model computes nothing with them",
            "export another run: a model that was saved like this is broken",
        )


def _files(folder: Path) -> Mapping[str, Path]:
    """The file of each tensor, in the order of the files."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return {name: folder / file for name, file in places.items()}
    from safetensors import safe_open

    path = folder / "model.safetensors"
    with safe_open(path, framework="pt") as file:
        return dict.fromkeys(file.keys(), path)
