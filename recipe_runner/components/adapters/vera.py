# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""VeRA, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import BACKED, Adapter, Layers, Measures
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Dropout, Indices, Natural


class Vera(Adapter):
    """VeRA: all layers share two frozen random matrices, and each trains two vectors that scale them.

    A tenth of LoRA's parameters and less. Use it for many adapters beside one base, with a
    learning rate some ten times that of LoRA.

    Source: arXiv 2310.11454; `peft.VeraConfig`.
    """

    type: Literal["vera"]
    r: Count = 256
    """Inner size of the shared matrices."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    projection_prng_key: Natural = 0
    """Seed of the frozen random matrices."""
    save_projection: bool = True
    """Save the frozen random matrices too: larger files that load the same with any PyTorch."""
    vera_dropout: Dropout = 0.0
    """Dropout on the adapter's input, a fraction."""
    d_initial: float = 0.1
    """Start of the trained vector that scales the inner dimension."""
    bias: Literal["none", "all", "vera_only"] = "none"
    """Which biases of the model train besides; anything but `none` changes the base with the adapter off."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    init_weights: bool = True
    """Start without an effect on the model; false starts from random weights."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""

    upstream: ClassVar[str | None] = "peft:VeraConfig"
    layers: ClassVar[Layers] = BACKED
    learning_rate_factor: ClassVar[float] = 10
    snippet: ClassVar[str] = "adapter: vera"

    def parameters(self, on: Measures) -> int | None:
        return sum(self.r + o for o, _ in on.linear.values())
