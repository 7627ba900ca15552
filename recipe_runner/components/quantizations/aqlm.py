# Generated from devtools/quantization_words: python -m recipe_runner.devtools.generate
"""AQLM, through transformers."""

from typing import ClassVar, Literal

from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count
from recipe_runner.components.quantization import LayerKind, Quantization
from recipe_runner.plan import Requirement


class Aqlm(Quantization):
    """AQLM: groups of weights as sums of entries of learned codebooks: about 2 bits a weight.

    Source: arXiv 2401.06118; `transformers.AqlmConfig`.
    """

    type: Literal["aqlm"]
    in_group_size: Count = 8
    """Inputs of a group."""
    out_group_size: Count = 1
    """Outputs of a group."""
    num_codebooks: Count = 1
    """Codebooks that are summed."""
    nbits_per_codebook: Count = 16
    """Bits of an entry's number."""
    linear_weights_not_to_quantize: Strings | None = None
    """Weights left as they are."""

    upstream: ClassVar[str | None] = "transformers:AqlmConfig"
    quant_method: ClassVar[str] = "aqlm"
    layer_kind: ClassVar[LayerKind] = "aqlm"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("aqlm", "aqlm", "quantization: aqlm"),
    )
    dequantizes: ClassVar[bool] = False
    prequantized_only: ClassVar[bool] = True
    snippet: ClassVar[str] = "quantization: aqlm"

    @property
    def weight_bits(self) -> float:
        return (
            self.num_codebooks
            * self.nbits_per_codebook
            / (self.in_group_size * self.out_group_size)
        )
