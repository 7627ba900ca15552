# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""WaveFT, through PEFT."""

from typing import ClassVar, Literal

from pydantic import Field

from recipe_runner.components.adapter import Adapter, Measures
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Indices, Natural, Positive


class Waveft(Adapter):
    """WaveFT: a few trained coefficients of the update's wavelet transform.

    As small as FourierFT, with coefficients that act on one place of the weight each.

    Source: arXiv 2505.12532; `peft.WaveFTConfig`.
    """

    type: Literal["waveft"]
    n_frequency: Count = 2592
    """Trained coefficients of each layer."""
    scaling: Positive = 25.0
    """Factor of the update."""
    wavelet_family: str = "db1"
    """Wavelet, by the name that PyWavelets has for it."""
    use_idwt: bool = True
    """Transform back; false trains entries of the weight itself."""
    random_loc_seed: Natural = 777
    """Seed of which coefficients are trained."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    exclude_modules: str | Strings | None = None
    """Layers to leave out, in the same forms."""
    bias: Literal["none", "all", "waveft_only"] = "none"
    """Which biases of the model train besides; anything but `none` changes the base with the adapter off."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""
    n_frequency_pattern: dict[str, Count] = Field(default_factory=dict)
    """Other numbers of coefficients for layers whose name matches a regular expression."""
    proportional_parameters: bool = False
    """Give larger layers more coefficients, the same number in all."""
    init_weights: bool = True
    """Start with zeros; false draws from a normal distribution."""

    upstream: ClassVar[str | None] = "peft:WaveFTConfig"
    snippet: ClassVar[str] = "adapter: waveft"

    def parameters(self, on: Measures) -> int | None:
        return (
            None
            if self.n_frequency_pattern or self.proportional_parameters
            else self.n_frequency * len(on.linear)
        )
