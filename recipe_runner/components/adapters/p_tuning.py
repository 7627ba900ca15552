# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""P-tuning, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import ALL, Adapter, Layers, Measures, Targets
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Dropout


class PTuning(Adapter):
    """P-tuning: trained vectors before the prompt, which a small network computes while it trains.

    Source: arXiv 2103.10385; `peft.PromptEncoderConfig`.
    """

    type: Literal["p_tuning"]
    num_virtual_tokens: Count = 20
    """Trained vectors; 10 to 100 for most tasks."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    encoder_reparameterization_type: Literal["MLP", "LSTM"] = "MLP"
    """Kind of the network."""
    encoder_hidden_size: Count | None = None
    """Width of the network; null is that of the model."""
    encoder_num_layers: Count = 2
    """Layers of an LSTM."""
    encoder_dropout: Dropout = 0.0
    """Dropout of an LSTM, a fraction."""

    upstream: ClassVar[str | None] = "peft:PromptEncoderConfig"
    targets: ClassVar[Targets] = "prompt"
    layers: ClassVar[Layers] = ALL
    merges: ClassVar[bool] = False
    learning_rate_factor: ClassVar[float] = 50
    snippet: ClassVar[str] = "adapter: p_tuning"

    def parameters(self, on: Measures) -> int | None:
        return (
            None
            if self.encoder_reparameterization_type != "MLP"
            else (self.num_virtual_tokens + 1) * on.hidden_size
            + (h := self.encoder_hidden_size or on.hidden_size) * (2 * on.hidden_size + h + 2)
        )
