# Generated from devtools/quantization_words: python -m recipe_runner.devtools.generate
"""GPTQ, through transformers."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.quantization import LayerKind, Quantization
from recipe_runner.plan import Requirement


class Gptq(Quantization):
    """GPTQ: weights in 2 to 8 bits, rounded one after the other so that errors cancel on sample data.

    The most frequent quantized checkpoints. An adapter trains on them.

    Source: arXiv 2210.17323; `transformers.GPTQConfig`.
    """

    type: Literal["gptq"]
    bits: Literal[2, 3, 4, 8] = 4
    """Bits of a weight; those of the checkpoint count."""
    group_size: Annotated[int, Field(ge=-1)] = 128
    """Weights that share a scale; -1 is a whole row."""
    backend: str | None = None
    """Kernel, by gptqmodel's name; null is the fastest that there is."""

    upstream: ClassVar[str | None] = "transformers:GPTQConfig"
    quant_method: ClassVar[str] = "gptq"
    layer_kind: ClassVar[LayerKind] = "gptq"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("gptqmodel", "gptqmodel", "quantization: gptq"),
    )
    dequantizes: ClassVar[bool] = False
    prequantized_only: ClassVar[bool] = True
    snippet: ClassVar[str] = "quantization: gptq"

    @property
    def weight_bits(self) -> float:
        return self.bits + 20 / (self.group_size if self.group_size > 0 else 4096)
