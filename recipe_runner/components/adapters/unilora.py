# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""Uni-LoRA, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import Adapter, Measures
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Dropout, Indices, Natural, Positive


class Unilora(Adapter):
    """Uni-LoRA: all matrices of all layers are looked up in one trained vector.

    One vector is the whole adapter.

    Source: arXiv 2506.00799; `peft.UniLoraConfig`.
    """

    type: Literal["unilora"]
    r: Count = 4
    """Rank of the update."""
    proj_seed: Natural = 42
    """Seed of which entry stands where."""
    theta_d_length: Count = 256
    """Length of the vector: all parameters that train."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    unilora_dropout: Dropout = 0.0
    """Dropout on the adapter's input, a fraction."""
    bias: Literal["none", "all", "unilora_only"] = "none"
    """Which biases of the model train besides; anything but `none` changes the base with the adapter off."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    init_theta_d_bound: Positive = 0.02
    """The vector starts within plus and minus this."""
    init_weights: bool = True
    """Start without an effect on the model; false starts from random weights."""
    save_indices: bool = False
    """Save where which entry stands, and not the seed alone."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""

    upstream: ClassVar[str | None] = "peft:UniLoraConfig"
    learning_rate_factor: ClassVar[float] = 10
    snippet: ClassVar[str] = "adapter: unilora"

    def parameters(self, on: Measures) -> int | None:
        return self.theta_d_length
