# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""LoHa, through PEFT."""

from typing import ClassVar, Literal

from pydantic import Field

from recipe_runner.components.adapter import Adapter, Measures
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Dropout, Indices, Positive


class Loha(Adapter):
    """LoHa: the update is the elementwise product of two low-rank products.

    Its rank can be as high as the square of `r` for twice the parameters of LoRA. Use it
    where LoRA at the same size is too weak; it is slower.

    Source: FedPara, arXiv 2108.06098; `peft.LoHaConfig`.
    """

    type: Literal["loha"]
    rank_pattern: dict[str, Count] = Field(default_factory=dict)
    """Other ranks for layers whose name matches a regular expression."""
    alpha_pattern: dict[str, Positive] = Field(default_factory=dict)
    """Other alphas for layers whose name matches a regular expression."""
    r: Count = 8
    """Rank of each of the two products."""
    alpha: Count = 8
    """Scale of the update: it is multiplied by alpha / r."""
    rank_dropout: Dropout = 0.0
    """Fraction of the ranks that a training step leaves out."""
    module_dropout: Dropout = 0.0
    """Fraction of the adapted layers that a training step leaves without the adapter."""
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
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""

    upstream: ClassVar[str | None] = "peft:LoHaConfig"
    snippet: ClassVar[str] = "adapter: loha"

    def parameters(self, on: Measures) -> int | None:
        return (
            None if self.rank_pattern else sum(2 * self.r * (o + i) for o, i in on.linear.values())
        )
