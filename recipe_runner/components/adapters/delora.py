# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""DeLoRA, through PEFT."""

from typing import ClassVar, Literal

from pydantic import Field

from recipe_runner.components.adapter import Adapter, Measures
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Dropout, Indices, Positive


class Delora(Adapter):
    """DeLoRA: a low-rank update whose length is bounded and trained apart from its direction.

    It cannot run away from the base, so it is robust against high learning rates and long
    trainings.

    Source: arXiv 2503.18225; `peft.DeloraConfig`.
    """

    type: Literal["delora"]
    r: Count = 8
    """Rank of the update."""
    delora_lambda: Count = 15
    """Start of the bound on the length of the update."""
    module_dropout: Dropout = 0.0
    """Fraction of the adapted layers that a training step leaves without the adapter."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    exclude_modules: str | Strings | None = None
    """Layers to leave out, in the same forms."""
    bias: Literal["none", "all", "delora_only"] = "none"
    """Which biases of the model train besides; anything but `none` changes the base with the adapter off."""
    init_weights: bool = True
    """Start without an effect on the model; false starts from random weights."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""
    rank_pattern: dict[str, Count] = Field(default_factory=dict)
    """Other ranks for layers whose name matches a regular expression."""
    lambda_pattern: dict[str, Positive] = Field(default_factory=dict)
    """Other bounds for layers whose name matches a regular expression."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""

    upstream: ClassVar[str | None] = "peft:DeloraConfig"
    snippet: ClassVar[str] = "adapter: delora"

    def parameters(self, on: Measures) -> int | None:
        return (
            None if self.rank_pattern else sum(self.r * (o + i) + 1 for o, i in on.linear.values())
        )
