# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""SHiRA, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import BACKED, Adapter, Layers, Measures
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Natural


class Shira(Adapter):
    """SHiRA: trains a few entries of each weight, which are drawn at random.

    Adapters hardly touch each other's entries, so several can be added up.

    Source: arXiv 2406.13175; `peft.ShiraConfig`.
    """

    type: Literal["shira"]
    r: Count = 32
    """As many entries as a LoRA of this rank has parameters."""
    mask_type: Literal["random"] = "random"
    """How the entries are chosen."""
    random_seed: Natural | None = None
    """Seed of the choice; null is the run's."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    init_weights: bool = True
    """Start without an effect on the model; false starts from random weights."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""

    upstream: ClassVar[str | None] = "peft:ShiraConfig"
    layers: ClassVar[Layers] = BACKED
    snippet: ClassVar[str] = "adapter: shira"

    def parameters(self, on: Measures) -> int | None:
        return sum(self.r * (o + i) for o, i in on.linear.values())
