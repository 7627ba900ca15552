# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""OFT, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import BACKED, Adapter, Layers, Measures
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Dropout, Indices, Natural, Positive


class Oft(Adapter):
    """OFT: the inputs of a layer are rotated, block by block.

    Angles between neurons stay, and with them more of what the base knows than with an
    additive update.

    Source: arXiv 2306.07280, 2506.19847; `peft.OFTConfig`.
    """

    type: Literal["oft"]
    r: Natural = 0
    """Blocks of each layer; 0 where `oft_block_size` is given, which decides it."""
    oft_block_size: Natural = 32
    """Size of a block; 0 where `r` is given."""
    module_dropout: Dropout = 0.0
    """Fraction of the blocks that a training step does not rotate."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    bias: Literal["none", "all", "oft_only"] = "none"
    """Which biases of the model train besides; anything but `none` changes the base with the adapter off."""
    exclude_modules: str | Strings | None = None
    """Layers to leave out, in the same forms."""
    init_weights: bool = True
    """Start without an effect on the model; false starts from random weights."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    coft: bool = False
    """Keep the rotation near to none, within `eps`."""
    eps: Positive = 6e-05
    """How far a rotation of `coft` may go."""
    block_share: bool = False
    """One rotation for all blocks of a layer."""
    use_cayley_neumann: bool = True
    """Compute the rotation from a series instead of an inverse: faster, and nearly orthogonal."""
    num_cayley_neumann_terms: Count = 5
    """Terms of that series."""

    upstream: ClassVar[str | None] = "peft:OFTConfig"
    layers: ClassVar[Layers] = BACKED
    snippet: ClassVar[str] = "adapter: oft"

    def parameters(self, on: Measures) -> int | None:
        return (
            None
            if self.block_share
            or self.r
            or any(i % self.oft_block_size for _, i in on.linear.values())
            else sum(i * (self.oft_block_size - 1) // 2 for _, i in on.linear.values())
        )
