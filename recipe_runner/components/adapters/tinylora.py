# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""TinyLoRA, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import Adapter, Measures
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Dropout, Indices, Natural, NotNegative, Share


class Tinylora(Adapter):
    """TinyLoRA: a handful of parameters per layer, or for the whole model, steer its singular directions.

    Made for reinforcement learning, where a few bits are learned from each answer.

    Source: arXiv 2602.04118; `peft.TinyLoraConfig`.
    """

    type: Literal["tinylora"]
    r: Count = 2
    """Singular directions that are steered."""
    u: Count = 64
    """Parameters of each group of layers."""
    weight_tying: Share = 0.0
    """How far layers share parameters: 0 not at all, 1 all of them."""
    projection_seed: Natural = 42
    """Seed of the frozen projections."""
    save_projection: bool = True
    """Save the frozen random matrices too: larger files that load the same with any PyTorch."""
    init_v_bound: NotNegative = 0.02
    """The parameters start within plus and minus this."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    tinylora_dropout: Dropout = 0.0
    """Dropout on the adapter's input, a fraction."""
    bias: Literal["none", "all", "tinylora_only"] = "none"
    """Which biases of the model train besides; anything but `none` changes the base with the adapter off."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    init_weights: bool | Literal["uniform"] = True
    """Start: true is without an effect, `uniform` draws within `init_v_bound`."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""

    upstream: ClassVar[str | None] = "peft:TinyLoraConfig"
    learning_rate_factor: ClassVar[float] = 10
    snippet: ClassVar[str] = "adapter: tinylora"

    def parameters(self, on: Measures) -> int | None:
        return None if self.weight_tying else self.u * len(on.linear)
