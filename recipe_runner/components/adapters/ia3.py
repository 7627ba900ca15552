# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""(IA)3, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import PLAIN_AND_BNB, Adapter, Layers, Measures
from recipe_runner.components.base import Strings


class Ia3(Adapter):
    """(IA)3: keys, values and the inside of the feed-forward layers are multiplied by trained vectors.

    The fewest parameters of the methods that can be merged. Use it with few examples and a
    learning rate of about 3e-3.

    Source: arXiv 2205.05638; `peft.IA3Config`.
    """

    type: Literal["ia3"]
    target_modules: str | Strings | None = None
    """Layers to adapt, as name endings or one regular expression; null is PEFT's choice for the architecture."""
    exclude_modules: str | Strings | None = None
    """Layers to leave out, in the same forms."""
    feedforward_modules: str | Strings | None = None
    """Those of the layers whose input is multiplied instead of the output; null is PEFT's choice."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    init_ia3_weights: bool = True
    """Start with ones, which change nothing."""

    upstream: ClassVar[str | None] = "peft:IA3Config"
    layers: ClassVar[Layers] = PLAIN_AND_BNB
    learning_rate_factor: ClassVar[float] = 15
    snippet: ClassVar[str] = "adapter: ia3"

    def parameters(self, on: Measures) -> int | None:
        return sum(i if name in on.inward else o for name, (o, i) in on.linear.items())
