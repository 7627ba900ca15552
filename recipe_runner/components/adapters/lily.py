# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""Lily, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import Adapter
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Indices, Positive


class Lily(Adapter):
    """Lily: neighbouring layers share one projection down, and all layers share several up.

    A router mixes the shared projections for each token, so what it learned cannot become
    part of the weights.

    Source: arXiv 2407.09946; `peft.LilyConfig`.
    """

    type: Literal["lily"]
    r: Count = 32
    """Rank of the update."""
    stride_A: Count = 1
    """Neighbouring layers that share a projection down."""
    num_B: Count = 2
    """Projections up, which all layers share."""
    scaling: Positive = 1.0
    """Factor of the update."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    exclude_modules: str | Strings | None = None
    """Layers to leave out, in the same forms."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""
    init_weights: bool = True
    """Start without an effect on the model; false starts from random weights."""

    upstream: ClassVar[str | None] = "peft:LilyConfig"
    merges: ClassVar[bool] = False
    reads_batch: ClassVar[bool] = True
    snippet: ClassVar[str] = "adapter: lily"
