# Generated from devtools/quantization_words: python -m recipe_runner.devtools.generate
"""MXFP4, through transformers."""

from typing import ClassVar, Literal

from recipe_runner.components.base import Strings
from recipe_runner.components.quantization import Quantization


class Mxfp4(Quantization):
    """MXFP4: expert weights in 4-bit floats with a scale for 32 of them, as GPT-OSS is published.

    To train an adapter on it, turn the weights back: `dequantize: true`, which takes four
    times the memory and runs anywhere.

    Source: OCP Microscaling Formats 1.0; `transformers.Mxfp4Config`.
    """

    type: Literal["mxfp4"]
    modules_to_not_convert: Strings | None = None
    """Modules left as they are; null leaves the output head."""
    dequantize: bool = False
    """Turn the weights of a checkpoint back into 16 bits instead."""

    upstream: ClassVar[str | None] = "transformers:Mxfp4Config"
    quant_method: ClassVar[str] = "mxfp4"
    adapter_trains: ClassVar[bool] = False
    snippet: ClassVar[str] = "quantization: mxfp4"

    @property
    def weight_bits(self) -> float:
        return 16.0 if self.dequantize else 4.25
