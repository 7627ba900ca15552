# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""PEANuT, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import Adapter
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Indices, Natural, Positive


class Peanut(Adapter):
    """PEANuT: a small network computes the update from the weight itself.

    Non-linear, so an update of a few parameters can have any rank.

    Source: arXiv 2410.01870; `peft.PeanutConfig`.
    """

    type: Literal["peanut"]
    r: Count = 32
    """Width of the network."""
    depth: Natural = 0
    """Hidden layers on each side of the network."""
    act_fn: str = "relu"
    """Activation between its layers, by transformers' name."""
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

    upstream: ClassVar[str | None] = "peft:PeanutConfig"
    snippet: ClassVar[str] = "adapter: peanut"
