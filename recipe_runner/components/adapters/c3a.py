# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""C3A, through PEFT."""

from typing import ClassVar, Literal

from pydantic import Field

from recipe_runner.components.adapter import Adapter, Measures
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Indices


class C3a(Adapter):
    """C3A: the update is made of circulant blocks, applied through the Fourier transform.

    A high rank for few parameters.

    Source: arXiv 2407.19342; `peft.C3AConfig`.
    """

    type: Literal["c3a"]
    block_size: Count = 256
    """Size of a block; has to divide inputs and outputs of the layers."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    bias: Literal["none", "all", "c3a_only"] = "none"
    """Which biases of the model train besides; anything but `none` changes the base with the adapter off."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""
    block_size_pattern: dict[str, Count] = Field(default_factory=dict)
    """Other sizes for layers whose name matches a regular expression."""
    init_weights: bool | Literal["gaussian", "kaiming_uniform", "xavier_uniform"] | None = (
        "xavier_uniform"
    )
    """Start of the blocks; true is zeros."""

    upstream: ClassVar[str | None] = "peft:C3AConfig"
    snippet: ClassVar[str] = "adapter: c3a"

    def parameters(self, on: Measures) -> int | None:
        return (
            None
            if self.block_size_pattern
            else sum(o * i // self.block_size for o, i in on.linear.values())
        )
