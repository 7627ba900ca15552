# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""MiSS, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import BACKED, Adapter, Layers, Measures
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Dropout, Indices


class Miss(Adapter):
    """MiSS: one trained matrix whose shards are repeated along the input.

    Starts without a second matrix, so it learns faster than LoRA at the same size and is
    as cheap. `bat` lets the shards depend on the weight. It was called Bone before.

    Source: arXiv 2409.15371; `peft.MissConfig`.
    """

    type: Literal["miss"]
    r: Count = 64
    """Rows of the matrix; has to divide the layer's inputs for `bat`."""
    miss_dropout: Dropout = 0.0
    """Dropout on the adapter's input, a fraction."""
    mini_r: Count = 1
    """Second rank, along the outputs, for `mini`."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    exclude_modules: str | Strings | None = None
    """Layers to leave out, in the same forms."""
    init_weights: bool | Literal["bat", "mini"] = True
    """Kind of the update: true is the balanced one, `bat` multiplies by the weight, `mini` is smaller."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""
    bias: Literal["none", "all", "MiSS_only"] = "none"
    """Which biases of the model train besides; anything but `none` changes the base with the adapter off."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""

    upstream: ClassVar[str | None] = "peft:MissConfig"
    layers: ClassVar[Layers] = BACKED
    snippet: ClassVar[str] = "adapter: miss"

    def parameters(self, on: Measures) -> int | None:
        return (
            None if self.init_weights == "mini" else sum(self.r * o for o, _ in on.linear.values())
        )
