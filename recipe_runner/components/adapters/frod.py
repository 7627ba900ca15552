# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""FRoD, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import Adapter
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Dropout, Indices, Natural, Positive, Share


class Frod(Adapter):
    """FRoD: all layers share rotated directions; each trains how far they reach, and few turns between them.

    A full-rank update; preparing the shared directions takes a while on large models.

    Source: `peft.FrodConfig`.
    """

    type: Literal["frod"]
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    projection_prng_key: Natural = 0
    """Seed of the frozen random matrices."""
    save_projection: bool = True
    """Save the frozen random matrices too: larger files that load the same with any PyTorch."""
    frod_dropout: Dropout = 0.0
    """Dropout on the adapter's input, a fraction."""
    bias: Literal["none", "all", "frod_only"] = "none"
    """Which biases of the model train besides; anything but `none` changes the base with the adapter off."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    init_weights: bool = True
    """Start without an effect on the model; false starts from random weights."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""
    sparse_rate: Share = 0.01
    """Share of the turns between directions that train."""
    regularization_alpha: Positive = 0.001
    """Steadies the inverses while the directions are prepared."""
    runtime_offload_base_weight: bool = False
    """Keep the base's weights on the CPU where they are not needed."""

    upstream: ClassVar[str | None] = "peft:FrodConfig"
    snippet: ClassVar[str] = "adapter: frod"
