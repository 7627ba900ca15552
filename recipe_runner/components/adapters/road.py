# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""RoAd, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import PLAIN_AND_BNB, Adapter, Layers, Measures
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count


class Road(Adapter):
    """RoAd: pairs of a layer's outputs are rotated and scaled.

    Costs nothing when it answers, and different adapters can answer in one batch.

    Source: arXiv 2409.00119; `peft.RoadConfig`.
    """

    type: Literal["road"]
    variant: Literal["road_1", "road_2", "road_4"] = "road_1"
    """Parameters: one, two or four times the outputs of the layer."""
    group_size: Count = 64
    """Outputs that are paired among each other; even, and divides the outputs."""
    init_weights: bool = True
    """Start without an effect on the model; false starts from random weights."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""

    upstream: ClassVar[str | None] = "peft:RoadConfig"
    layers: ClassVar[Layers] = PLAIN_AND_BNB
    snippet: ClassVar[str] = "adapter: road"

    def parameters(self, on: Measures) -> int | None:
        return int(self.variant[-1]) * sum(o for o, _ in on.linear.values())
