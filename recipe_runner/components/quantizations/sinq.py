# Generated from devtools/quantization_words: python -m recipe_runner.devtools.generate
"""SINQ, through transformers."""

from typing import ClassVar, Literal

from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count
from recipe_runner.components.quantization import Quantization
from recipe_runner.plan import Requirement


class Sinq(Quantization):
    """SINQ: weights in 2 to 8 bits with scales for rows and columns, fitted without data.

    Source: arXiv 2509.22944; `transformers.SinqConfig`.
    """

    type: Literal["sinq"]
    nbits: Literal[2, 3, 4, 5, 6, 8] = 4
    """Bits of a weight."""
    group_size: Count = 64
    """Weights that share a scale."""
    tiling_mode: Literal["1D", "2D"] = "1D"
    """Whether scales are for rows, or for tiles."""
    method: Literal["sinq", "asinq"] = "sinq"
    """`asinq` looks at activations as well."""
    modules_to_not_convert: Strings | None = None
    """Modules left as they are; null leaves the output head."""

    upstream: ClassVar[str | None] = "transformers:SinqConfig"
    quant_method: ClassVar[str] = "sinq"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("sinq", "sinq", "quantization: sinq"),
    )
    needs_gpu: ClassVar[bool] = True
    snippet: ClassVar[str] = "quantization: sinq"

    @property
    def weight_bits(self) -> float:
        return self.nbits + 32 / self.group_size
