# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""HiRA, through PEFT."""

from typing import ClassVar, Literal

from pydantic import Field

from recipe_runner.components.adapter import PLAIN_AND_BNB, Adapter, Layers, Measures
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Dropout, Indices


class Hira(Adapter):
    """HiRA: the weight is multiplied, element by element, by a low-rank product.

    The update has the rank of the weight itself for the parameters of LoRA. Use it for
    tasks where LoRA stops improving with more rank.

    Source: ICLR 2025, openreview TwJrTz9cRS; `peft.HiraConfig`.
    """

    type: Literal["hira"]
    r: Count = 32
    """Rank of the update."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    exclude_modules: str | Strings | None = None
    """Layers to leave out, in the same forms."""
    hira_dropout: Dropout = 0.0
    """Dropout on the adapter's input, a fraction."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    init_weights: bool | Literal["gaussian"] = True
    """Start without an effect on the model; `gaussian` draws the first matrix from a normal distribution."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""
    rank_pattern: dict[str, Count] = Field(default_factory=dict)
    """Other ranks for layers whose name matches a regular expression."""

    upstream: ClassVar[str | None] = "peft:HiraConfig"
    layers: ClassVar[Layers] = PLAIN_AND_BNB
    snippet: ClassVar[str] = "adapter: hira"

    def parameters(self, on: Measures) -> int | None:
        return None if self.rank_pattern else sum(self.r * (o + i) for o, i in on.linear.values())
