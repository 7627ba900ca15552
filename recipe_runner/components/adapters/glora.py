# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""GLoRA, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import Adapter
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count


class Glora(Adapter):
    """GLoRA: weight, bias and features each get a correction of a chosen form.

    The most general of the additive methods; what is not needed can be turned off.

    Source: arXiv 2306.07967; `peft.GloraConfig`.
    """

    type: Literal["glora"]
    r: Count = 8
    """Rank of the corrections that are `lora`."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    bias: Literal["none", "all", "glora_only"] = "none"
    """Which biases of the model train besides; anything but `none` changes the base with the adapter off."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    config_A_B: Literal["lora", "vector", "constant", "none"] = "lora"
    """Form of what multiplies the weight and of what is added to it."""
    config_C: Literal["lora", "vector", "none"] = "lora"
    """Form of what the weight adds to the bias."""
    config_D_E: Literal["vector", "constant", "none"] = "constant"
    """Form of what multiplies the bias and of what is added to it."""
    init_weights: bool = True
    """Start without an effect on the model; false starts from random weights."""

    upstream: ClassVar[str | None] = "peft:GloraConfig"
    snippet: ClassVar[str] = "adapter: glora"
