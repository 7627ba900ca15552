# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""GraLoRA, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import Adapter, Measures
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Dropout, Indices, Natural


class Gralora(Adapter):
    """GraLoRA: each weight is cut into blocks, and each block has a low-rank update of its own.

    The parameters of LoRA, with a higher rank over the whole weight; outliers in one
    input channel disturb one row of blocks only.

    Source: arXiv 2505.20355; `peft.GraloraConfig`.
    """

    type: Literal["gralora"]
    r: Count = 32
    """Rank over all blocks; `gralora_k` has to divide it."""
    hybrid_r: Natural = 0
    """Rank of a plain LoRA beside the blocks; 0 has none."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    alpha: Count = 64
    """Scale of the update: it is multiplied by alpha / (r + hybrid_r)."""
    gralora_dropout: Dropout = 0.0
    """Dropout on the adapter's input, a fraction."""
    gralora_k: Count = 2
    """Blocks along each side of a weight."""
    bias: Literal["none", "all", "gralora_only"] = "none"
    """Which biases of the model train besides; anything but `none` changes the base with the adapter off."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    init_weights: bool = True
    """Start without an effect on the model; false starts from random weights."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""

    upstream: ClassVar[str | None] = "peft:GraloraConfig"
    snippet: ClassVar[str] = "adapter: {type: gralora, r: 16, alpha: 32}"

    def parameters(self, on: Measures) -> int | None:
        return sum((self.r + self.hybrid_r) * (o + i) for o, i in on.linear.values())
