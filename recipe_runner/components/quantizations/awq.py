# Generated from devtools/quantization_words: python -m recipe_runner.devtools.generate
"""AWQ, through transformers."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.base import Strings
from recipe_runner.components.quantization import LayerKind, Quantization
from recipe_runner.plan import Requirement


class Awq(Quantization):
    """AWQ: weights in 4 bits, with those that matter for the activations kept larger.

    Source: arXiv 2306.00978; `transformers.AwqConfig`.
    """

    type: Literal["awq"]
    bits: Literal[4, 8] = 4
    """Bits of a weight; those of the checkpoint count."""
    group_size: Annotated[int, Field(ge=-1)] = 128
    """Weights that share a scale; -1 is a whole row."""
    backend: str = "auto"
    """Kernel, by gptqmodel's name."""
    modules_to_not_convert: Strings | None = None
    """Modules left as they are; null leaves the output head."""

    upstream: ClassVar[str | None] = "transformers:AwqConfig"
    quant_method: ClassVar[str] = "awq"
    layer_kind: ClassVar[LayerKind] = "awq"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("gptqmodel", "gptqmodel", "quantization: awq"),
    )
    dequantizes: ClassVar[bool] = False
    prequantized_only: ClassVar[bool] = True
    snippet: ClassVar[str] = "quantization: awq"

    @property
    def weight_bits(self) -> float:
        return self.bits + 20 / (self.group_size if self.group_size > 0 else 4096)
