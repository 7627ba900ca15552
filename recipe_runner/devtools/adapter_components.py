"""Writes the components of adapters that map 1:1 to a class of PEFT."""

from __future__ import annotations

from pathlib import Path

from recipe_runner.devtools.adapter_words import COMMON, LEFT_OUT, METHODS
from recipe_runner.devtools.worded import Axis, written

FOLDERS: tuple[Path, ...] = ()
"""None holds generated files only: components by hand stand beside these."""

AXIS = Axis(
    key="adapter",
    folder=Path("recipe_runner/components/adapters"),
    base="Adapter",
    module="recipe_runner.components.adapter",
    names=("ALL", "BACKED", "PLAIN_AND_BNB", "Layers", "Measures", "Targets"),
    package="peft",
    through="PEFT",
    words="adapter_words",
    common=COMMON,
    left_out=LEFT_OUT,
    types={"targets": "Targets", "layers": "Layers", "requires": "tuple[Requirement, ...]"},
)


def artefacts() -> dict[Path, str]:
    """One component file per method."""
    return written(AXIS, METHODS)
