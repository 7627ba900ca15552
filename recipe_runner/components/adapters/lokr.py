# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""LoKr, through PEFT."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.adapter import Adapter
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Dropout, Indices, Positive


class Lokr(Adapter):
    """LoKr: the update is a Kronecker product of a small and a low-rank matrix.

    Very few parameters for an update of full rank. Use it where the adapter has to be tiny.

    Source: arXiv 2309.14859, section 3; `peft.LoKrConfig`.
    """

    type: Literal["lokr"]
    rank_pattern: dict[str, Count] = Field(default_factory=dict)
    """Other ranks for layers whose name matches a regular expression."""
    alpha_pattern: dict[str, Positive] = Field(default_factory=dict)
    """Other alphas for layers whose name matches a regular expression."""
    r: Count = 8
    """Rank of the larger factor."""
    alpha: Count = 8
    """Scale of the update: it is multiplied by alpha / r."""
    rank_dropout: Dropout = 0.0
    """Fraction of the ranks that a training step leaves out."""
    module_dropout: Dropout = 0.0
    """Fraction of the adapted layers that a training step leaves without the adapter."""
    decompose_both: bool = False
    """Give the smaller factor a low rank too."""
    decompose_factor: Annotated[int, Field(ge=-1)] = -1
    """Size of the smaller factor; -1 takes the two factors as near to each other as they can be."""
    rank_dropout_scale: bool = False
    """Divide by the fraction of ranks that is left."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    exclude_modules: str | Strings | None = None
    """Layers to leave out, in the same forms."""
    init_weights: bool | Literal["lycoris"] = True
    """Start without an effect on the model; `lycoris` starts as that library does."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""

    upstream: ClassVar[str | None] = "peft:LoKrConfig"
    snippet: ClassVar[str] = "adapter: lokr"
