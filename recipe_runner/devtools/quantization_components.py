"""Writes the components of quantizations that map 1:1 to a class of transformers."""

from __future__ import annotations

from pathlib import Path

from recipe_runner.devtools.quantization_words import COMMON, LEFT_OUT, METHODS
from recipe_runner.devtools.worded import Axis, written

FOLDERS: tuple[Path, ...] = ()
"""None holds generated files only: components by hand stand beside these."""

_AXIS = Axis(
    key="quantization",
    folder=Path("recipe_runner/components/quantizations"),
    base="Quantization",
    module="recipe_runner.components.quantization",
    names=("LayerKind",),
    package="transformers",
    through="transformers",
    words="quantization_words",
    common=COMMON,
    left_out=LEFT_OUT,
    types={
        "layer_kind": "LayerKind",
        "quant_method": "str",
        "requires": "tuple[Requirement, ...]",
    },
)


def artefacts() -> dict[Path, str]:
    """One component file per method."""
    return written(_AXIS, METHODS)
