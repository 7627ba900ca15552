# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""BOFT, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import BACKED, Adapter, Layers
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Dropout, Indices, Natural


class Boft(Adapter):
    """BOFT: OFT whose rotation is a product of sparse ones, like the butterflies of a Fourier transform.

    Denser rotations for fewer parameters than OFT's.

    Source: arXiv 2311.06243; `peft.BOFTConfig`.
    """

    type: Literal["boft"]
    boft_block_size: Natural = 4
    """Size of a block; has to divide the layer's inputs. 0 where `boft_block_num` is given."""
    boft_block_num: Natural = 0
    """Blocks of each layer; 0 where `boft_block_size` is given."""
    boft_n_butterfly_factor: Count = 1
    """Factors of the product; 1 is OFT."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    exclude_modules: str | Strings | None = None
    """Layers to leave out, in the same forms."""
    boft_dropout: Dropout = 0.0
    """Fraction of the blocks that a training step does not rotate."""
    bias: Literal["none", "all", "boft_only"] = "none"
    """Which biases of the model train besides; anything but `none` changes the base with the adapter off."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    init_weights: bool = True
    """Start without an effect on the model; false starts from random weights."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""

    upstream: ClassVar[str | None] = "peft:BOFTConfig"
    layers: ClassVar[Layers] = BACKED
    snippet: ClassVar[str] = "adapter: boft"
