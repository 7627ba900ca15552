# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""Prefix tuning, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import ALL, Adapter, Layers, Measures, Targets
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count


class PrefixTuning(Adapter):
    """Prefix tuning: each layer attends to trained keys and values before those of the text.

    Use it where the model's weights must not be touched and LoRA cannot be served.

    Source: arXiv 2101.00190; `peft.PrefixTuningConfig`.
    """

    type: Literal["prefix_tuning"]
    num_virtual_tokens: Count = 20
    """Trained vectors; 10 to 100 for most tasks."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    init_weights: Literal["zero"] | None = None
    """Start; `zero` begins near the base, null at random."""
    encoder_hidden_size: Count | None = None
    """Width of that network; null is that of the model."""
    prefix_projection: bool = False
    """Train a small network that computes the keys and values."""

    upstream: ClassVar[str | None] = "peft:PrefixTuningConfig"
    targets: ClassVar[Targets] = "prompt"
    layers: ClassVar[Layers] = ALL
    merges: ClassVar[bool] = False
    learning_rate_factor: ClassVar[float] = 50
    snippet: ClassVar[str] = "adapter: prefix_tuning"

    def parameters(self, on: Measures) -> int | None:
        return (
            None
            if self.prefix_projection
            else self.num_virtual_tokens * on.num_layers * 2 * on.key_value_size
        )
