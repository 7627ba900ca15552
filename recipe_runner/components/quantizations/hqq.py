# Generated from devtools/quantization_words: python -m recipe_runner.devtools.generate
"""HQQ, through transformers."""

from typing import ClassVar, Literal

from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count
from recipe_runner.components.quantization import LayerKind, Quantization
from recipe_runner.plan import Requirement


class Hqq(Quantization):
    """HQQ: weights in 1 to 8 bits, with scales that are fitted without any data.

    Quick to quantize, and better than plain rounding at few bits.

    Source: https://mobiusml.github.io/hqq_blog/; `transformers.HqqConfig`.
    """

    type: Literal["hqq"]
    nbits: Literal[8, 4, 3, 2, 1] = 4
    """Bits of a weight."""
    group_size: Count = 64
    """Weights that share a scale."""
    axis: Literal[0, 1] | None = None
    """Along which side weights are grouped."""
    skip_modules: Strings = ("lm_head",)
    """Modules left as they are."""

    upstream: ClassVar[str | None] = "transformers:HqqConfig"
    quant_method: ClassVar[str] = "hqq"
    layer_kind: ClassVar[LayerKind] = "hqq"
    requires: ClassVar[tuple[Requirement, ...]] = (Requirement("hqq", "hqq", "quantization: hqq"),)
    needs_gpu: ClassVar[bool] = True
    snippet: ClassVar[str] = "quantization: hqq"

    @property
    def weight_bits(self) -> float:
        return self.nbits + 32 / self.group_size
