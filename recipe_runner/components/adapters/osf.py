# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""OSF, through PEFT."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.adapter import Adapter
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count


class Osf(Adapter):
    """OSF: trains the small singular directions of a weight, orthogonal to the large ones.

    Made for learning one task after the other without forgetting the first. It trains much
    more than LoRA.

    Source: arXiv 2504.07097; `peft.OSFConfig`.
    """

    type: Literal["osf"]
    effective_rank: Count | Annotated[float, Field(gt=0, lt=1)] | None = None
    """Large directions that stay: their number, or their share; null is half."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    rank_pattern: dict[str, Count | Annotated[float, Field(gt=0, lt=1)]] | None = None
    """Other values for layers whose name matches a regular expression."""
    init_weights: bool = True
    """Start without an effect on the model; false starts from random weights."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""

    upstream: ClassVar[str | None] = "peft:OSFConfig"
    learning_rate_factor: ClassVar[float] = 0.5
    snippet: ClassVar[str] = "adapter: osf"
