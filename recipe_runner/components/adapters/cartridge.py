# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""Cartridge, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import ALL, Adapter, Layers, Measures, Targets
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Natural


class Cartridge(Adapter):
    """Cartridge: a trained cache of keys and values that stands for a long document.

    Train it on questions about the document, and leave the document out of the prompt.

    Source: arXiv 2506.06266; `peft.CartridgeConfig`.
    """

    type: Literal["cartridge"]
    num_virtual_tokens: Count = 20
    """Trained vectors; 10 to 100 for most tasks."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    num_frozen_tokens: Natural = 1
    """Of these, the first that stay as they are, for attention to rest on."""

    upstream: ClassVar[str | None] = "peft:CartridgeConfig"
    targets: ClassVar[Targets] = "prompt"
    layers: ClassVar[Layers] = ALL
    merges: ClassVar[bool] = False
    learning_rate_factor: ClassVar[float] = 50
    snippet: ClassVar[str] = "adapter: cartridge"

    def parameters(self, on: Measures) -> int | None:
        return (
            (self.num_virtual_tokens - self.num_frozen_tokens)
            * on.num_layers
            * 2
            * on.key_value_size
        )
