# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""Super, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import Adapter
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Dropout, Positive


class Supertuning(Adapter):
    """Super: trains the largest entries of each weight; with a rank, a LoRA beside them.

    Source: arXiv 2607.09287; `peft.SupertuningConfig`.
    """

    type: Literal["supertuning"]
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    sparsity: Dropout = 0.99
    """Share of the entries that stay as they are."""
    select_top: bool = True
    """Train the largest entries; false trains the smallest."""
    r: Count | None = None
    """Rank of a LoRA beside the entries; null has none."""
    lora_alpha: Positive | None = None
    """Scale of that LoRA; null is twice the rank."""
    lora_dropout: Dropout = 0.0
    """Dropout on the input of that LoRA, a fraction."""
    init_weights: bool = True
    """Start without an effect on the model; false starts from random weights."""
    save_precomputed_indices: bool = True
    """Save which entries train; false finds them again from the base's weights."""

    upstream: ClassVar[str | None] = "peft:SupertuningConfig"
    snippet: ClassVar[str] = "adapter: supertuning"
