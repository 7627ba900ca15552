# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""PVeRA, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import PLAIN_AND_BNB, Adapter, Layers, Measures
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Dropout, Indices, Natural


class Pvera(Adapter):
    """PVeRA: VeRA whose inner vector is drawn from a trained normal distribution for each token.

    Its spread says how sure the adapter is.

    Source: arXiv 2512.07703; `peft.PveraConfig`.
    """

    type: Literal["pvera"]
    r: Count = 256
    """Inner size of the shared matrices."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    projection_prng_key: Natural = 0
    """Seed of the frozen random matrices."""
    save_projection: bool = True
    """Save the frozen random matrices too: larger files that load the same with any PyTorch."""
    pvera_dropout: Dropout = 0.0
    """Dropout on the adapter's input, a fraction."""
    d_initial: float = 0.1
    """Start of the trained vector that scales the inner dimension."""
    bias: Literal["none", "all", "pvera_only"] = "none"
    """Which biases of the model train besides; anything but `none` changes the base with the adapter off."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    init_weights: bool = True
    """Start without an effect on the model; false starts from random weights."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""
    sample_at_inference: bool = False
    """Draw when it answers too, instead of taking the mean."""
    generator_seed: Natural | None = None
    """Seed of what is drawn; null is the run's."""

    upstream: ClassVar[str | None] = "peft:PveraConfig"
    draws: ClassVar[bool] = True
    layers: ClassVar[Layers] = PLAIN_AND_BNB
    learning_rate_factor: ClassVar[float] = 10
    snippet: ClassVar[str] = "adapter: pvera"

    def parameters(self, on: Measures) -> int | None:
        return sum(2 * self.r + o for o, _ in on.linear.values())
