# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""FourierFT, through PEFT."""

from typing import ClassVar, Literal

from pydantic import Field

from recipe_runner.components.adapter import Adapter, Measures
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Indices, Natural, Positive


class Fourierft(Adapter):
    """FourierFT: a few trained coefficients of the update's Fourier transform.

    Some thousands of parameters for a whole model.

    Source: arXiv 2405.03003; `peft.FourierFTConfig`.
    """

    type: Literal["fourierft"]
    n_frequency: Count = 1000
    """Trained coefficients of each layer."""
    scaling: Positive = 150.0
    """Factor of the update; 100 to 150 for language models."""
    random_loc_seed: Natural = 777
    """Seed of which coefficients are trained."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    exclude_modules: str | Strings | None = None
    """Layers to leave out, in the same forms."""
    bias: Literal["none", "all", "fourier_only"] = "none"
    """Which biases of the model train besides; anything but `none` changes the base with the adapter off."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""
    n_frequency_pattern: dict[str, Count] = Field(default_factory=dict)
    """Other numbers of coefficients for layers whose name matches a regular expression."""
    init_weights: bool = False
    """Start with zeros; false, as in the paper, draws from a normal distribution."""

    upstream: ClassVar[str | None] = "peft:FourierFTConfig"
    snippet: ClassVar[str] = "adapter: fourierft"

    def parameters(self, on: Measures) -> int | None:
        return None if self.n_frequency_pattern else self.n_frequency * len(on.linear)
