# Generated from devtools/quantization_words: python -m recipe_runner.devtools.generate
"""BitNet, through transformers."""

from typing import ClassVar, Literal

from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Positive
from recipe_runner.components.quantization import Quantization


class Bitnet(Quantization):
    """BitNet: weights of -1, 0 and 1: models that were trained that way.

    Source: arXiv 2402.17764; `transformers.BitNetQuantConfig`.
    """

    type: Literal["bitnet"]
    modules_to_not_convert: Strings | None = None
    """Modules left as they are; null leaves the output head."""
    linear_class: Literal["bitlinear", "autobitlinear"] = "bitlinear"
    """Layer: `autobitlinear` can be trained."""
    quantization_mode: Literal["online", "offline"] = "offline"
    """Round while it computes, or have rounded before."""
    use_rms_norm: bool = False
    """Norm before each layer."""
    rms_norm_eps: Positive = 1e-06
    """Summand of that norm."""

    upstream: ClassVar[str | None] = "transformers:BitNetQuantConfig"
    quant_method: ClassVar[str] = "bitnet"
    adapter_trains: ClassVar[bool] = False
    prequantized_only: ClassVar[bool] = True
    snippet: ClassVar[str] = "quantization: bitnet"

    @property
    def weight_bits(self) -> float:
        return 2.0
