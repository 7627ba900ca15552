# Generated from devtools/quantization_words: python -m recipe_runner.devtools.generate
"""compressed-tensors, through transformers."""

from typing import ClassVar, Literal

from recipe_runner.components.quantization import Quantization
from recipe_runner.plan import Requirement


class CompressedTensors(Quantization):
    """compressed-tensors: what llm-compressor and many publishers write: 4 to 8 bits in several schemes.

    The weights are turned back into 16 bits when they are loaded with `dequantize`.

    Source: https://github.com/vllm-project/compressed-tensors; `transformers.CompressedTensorsConfig`.
    """

    type: Literal["compressed_tensors"]
    run_compressed: bool | None = None
    """Keep the weights small; null is upstream's choice."""
    dequantize: bool = False
    """Turn the weights back into 16 bits."""

    upstream: ClassVar[str | None] = "transformers:CompressedTensorsConfig"
    quant_method: ClassVar[str] = "compressed-tensors"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("compressed-tensors", "compressed_tensors", "quantization: compressed_tensors"),
    )
    prequantized_only: ClassVar[bool] = True
    snippet: ClassVar[str] = "quantization: compressed_tensors"

    @property
    def weight_bits(self) -> float:
        return 16.0 if self.dequantize else 8.0
