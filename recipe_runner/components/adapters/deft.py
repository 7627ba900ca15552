# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""DEFT, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import Adapter, Measures
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Dropout, Indices, Positive


class Deft(Adapter):
    """DEFT: takes a subspace out of the weight, and puts a trained low-rank part in its place.

    Made for models of images that learn one more concept; works on any linear layer.

    Source: PaRa, arXiv 2406.05641; `peft.DeftConfig`.
    """

    type: Literal["deft"]
    r: Count = 8
    """Rank of the subspace."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    exclude_modules: str | Strings | None = None
    """Layers to leave out, in the same forms."""
    decomposition_method: Literal["relu", "qr"] = "relu"
    """How the subspace is projected out: `qr` is orthogonal."""
    init_scale: Positive = 1.0
    """Spread of the random start, as a factor."""
    alpha: Count | None = None
    """The part that is put in is multiplied by alpha / r; null is 1."""
    para: bool = False
    """Only take the subspace out (PaRa), and put nothing in."""
    deft_dropout: Dropout = 0.0
    """Dropout on the adapter's input, a fraction."""
    init_weights: bool = True
    """Start without an effect on the model; false starts from random weights."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""
    bias: Literal["none", "all", "deft_only"] = "none"
    """Which biases of the model train besides; anything but `none` changes the base with the adapter off."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""

    upstream: ClassVar[str | None] = "peft:DeftConfig"
    snippet: ClassVar[str] = "adapter: deft"

    def parameters(self, on: Measures) -> int | None:
        return sum(self.r * (o if self.para else o + i) for o, i in on.linear.values())
