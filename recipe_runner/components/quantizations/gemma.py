# Generated from devtools/quantization_words: python -m recipe_runner.devtools.generate
"""Gemma's quantization, through transformers."""

from typing import ClassVar, Literal

from recipe_runner.components.base import Strings
from recipe_runner.components.quantization import Quantization


class Gemma(Quantization):
    """Gemma's quantization: weights in 4 bits as Gemma 4 was trained for.

    Source: `transformers.GemmaQuantizationConfig`.
    """

    type: Literal["gemma"]
    num_bits: Literal[2, 4, 8] = 4
    """Bits of a weight; those of the checkpoint count."""
    quantize_embeddings: bool = False
    """Embeddings in few bits too."""
    modules_to_not_convert: Strings | None = None
    """Modules left as they are; null leaves the output head."""

    upstream: ClassVar[str | None] = "transformers:GemmaQuantizationConfig"
    quant_method: ClassVar[str] = "gemma"
    adapter_trains: ClassVar[bool] = False
    prequantized_only: ClassVar[bool] = True
    snippet: ClassVar[str] = "quantization: gemma"

    @property
    def weight_bits(self) -> float:
        return float(self.num_bits)
