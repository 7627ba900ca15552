# Generated from devtools/quantization_words: python -m recipe_runner.devtools.generate
"""Fine-grained FP8, through transformers."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count
from recipe_runner.components.quantization import Quantization


class Fp8(Quantization):
    """Fine-grained FP8: weights in 8-bit floats with a scale per block, as DeepSeek-V3 is published.

    Multiplies in 8 bits on GPUs of compute capability 8.9 and above.

    Source: arXiv 2412.19437; `transformers.FineGrainedFP8Config`.
    """

    type: Literal["fp8"]
    activation_scheme: Literal["dynamic", "static"] = "dynamic"
    """When activations get their scale."""
    weight_block_size: Annotated[tuple[Count, Count], Field(strict=False)] = (128, 128)
    """Height and width of a block of weights."""
    dequantize: bool = False
    """Turn the weights of a checkpoint back into 16 bits instead."""
    modules_to_not_convert: Strings | None = None
    """Modules left as they are; null leaves the output head."""
    modules_to_convert: Strings | None = None
    """The only modules that are quantized; null takes all linear layers."""
    scale_fmt: Literal["float", "ue8m0"] = "float"
    """Type of the scales."""

    upstream: ClassVar[str | None] = "transformers:FineGrainedFP8Config"
    quant_method: ClassVar[str] = "fp8"
    needs_gpu: ClassVar[bool] = True
    snippet: ClassVar[str] = "quantization: fp8"

    @property
    def weight_bits(self) -> float:
        return 8 + 32 / (self.weight_block_size[0] * self.weight_block_size[1])
