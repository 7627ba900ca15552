# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""BEFT, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import Adapter, Measures
from recipe_runner.components.base import Strings


class Beft(Adapter):
    """BEFT: trains a bias on chosen layers, and nothing else.

    The values projections are the ones that pay.

    Source: arXiv 2509.15974; `peft.BeftConfig`.
    """

    type: Literal["beft"]
    target_modules: str | Strings | None = None
    """Layers to adapt, as name endings or one regular expression; null is PEFT's choice for the architecture."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    init_weights: bool = True
    """Start without an effect on the model; false starts from random weights."""

    upstream: ClassVar[str | None] = "peft:BeftConfig"
    learning_rate_factor: ClassVar[float] = 5
    snippet: ClassVar[str] = "adapter: {type: beft, target_modules: [v_proj]}"

    def parameters(self, on: Measures) -> int | None:
        return sum(o for o, _ in on.linear.values())
