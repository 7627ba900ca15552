# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""HRA, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import Adapter, Measures
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Indices


class Hra(Adapter):
    """HRA: the inputs of a layer are mirrored at trained planes, one after the other.

    Between LoRA and OFT: orthogonal, and of low rank.

    Source: arXiv 2405.17484; `peft.HRAConfig`.
    """

    type: Literal["hra"]
    r: Count = 8
    """Mirrors of each layer; even, so that it starts without an effect."""
    apply_GS: bool = False
    """Make the planes orthogonal to each other."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    exclude_modules: str | Strings | None = None
    """Layers to leave out, in the same forms."""
    init_weights: bool = True
    """Start without an effect on the model; false starts from random weights."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""
    bias: Literal["none", "all", "hra_only"] = "none"
    """Which biases of the model train besides; anything but `none` changes the base with the adapter off."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""

    upstream: ClassVar[str | None] = "peft:HRAConfig"
    snippet: ClassVar[str] = "adapter: hra"

    def parameters(self, on: Measures) -> int | None:
        return sum(self.r * i for _, i in on.linear.values())
