# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""LayerNorm tuning, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import ALL, Adapter, Layers, Measures, Targets
from recipe_runner.components.base import Strings


class LnTuning(Adapter):
    """LayerNorm tuning: trains the norms of the model, and nothing else.

    A few thousandths of a percent of the parameters.

    Source: arXiv 2312.11420; `peft.LNTuningConfig`.
    """

    type: Literal["ln_tuning"]
    target_modules: str | Strings | None = None
    """Layers to adapt, as name endings or one regular expression; null is PEFT's choice for the architecture."""
    exclude_modules: str | Strings | None = None
    """Layers to leave out, in the same forms."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""

    upstream: ClassVar[str | None] = "peft:LNTuningConfig"
    targets: ClassVar[Targets] = "norms"
    layers: ClassVar[Layers] = ALL
    learning_rate_factor: ClassVar[float] = 5
    snippet: ClassVar[str] = "adapter: ln_tuning"

    def parameters(self, on: Measures) -> int | None:
        return sum(on.whole.values())
