# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""RandLoRA, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import PLAIN_AND_BNB, Adapter, Layers
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Dropout, Indices, Natural


class Randlora(Adapter):
    """RandLoRA: full-rank updates from frozen random low-rank matrices, each scaled by trained vectors.

    The parameters of LoRA at a full rank; wants more memory for the frozen matrices.

    Source: arXiv 2502.00987; `peft.RandLoraConfig`.
    """

    type: Literal["randlora"]
    r: Count = 32
    """Rank of each frozen matrix: fewer ranks train more parameters."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    projection_prng_key: Natural = 0
    """Seed of the frozen random matrices."""
    save_projection: bool = True
    """Save the frozen random matrices too: larger files that load the same with any PyTorch."""
    sparse: bool = False
    """Draw the frozen matrices from -1, 0 and 1, a third each."""
    very_sparse: bool = False
    """Draw mostly zeros into the frozen matrices."""
    randlora_dropout: Dropout = 0.0
    """Dropout on the adapter's input, a fraction."""
    randlora_alpha: Count = 640
    """Scale of the update; about 20 times the rank."""
    bias: Literal["none", "all", "randlora_only"] = "none"
    """Which biases of the model train besides; anything but `none` changes the base with the adapter off."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    init_weights: bool = True
    """Start without an effect on the model; false starts from random weights."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""

    upstream: ClassVar[str | None] = "peft:RandLoraConfig"
    layers: ClassVar[Layers] = PLAIN_AND_BNB
    snippet: ClassVar[str] = "adapter: randlora"
