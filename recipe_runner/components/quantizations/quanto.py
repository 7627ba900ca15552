# Generated from devtools/quantization_words: python -m recipe_runner.devtools.generate
"""Quanto, through transformers."""

from typing import ClassVar, Literal

from recipe_runner.components.base import Strings
from recipe_runner.components.quantization import LayerKind, Quantization
from recipe_runner.plan import Requirement


class Quanto(Quantization):
    """Quanto: weights in 8, 4 or 2 bits, or 8-bit floats, in plain PyTorch.

    Runs on any device, a CPU too. It cannot be saved quantized, so it serves the training of
    an adapter only.

    Source: https://github.com/huggingface/optimum-quanto; `transformers.QuantoConfig`.
    """

    type: Literal["quanto"]
    weights: Literal["float8", "int8", "int4", "int2"] = "int8"
    """Type of the weights."""
    modules_to_not_convert: Strings | None = None
    """Modules left as they are; null leaves the output head."""

    upstream: ClassVar[str | None] = "transformers:QuantoConfig"
    quant_method: ClassVar[str] = "quanto"
    layer_kind: ClassVar[LayerKind] = "quanto"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("optimum-quanto", "optimum", "quantization: quanto"),
    )
    snippet: ClassVar[str] = "quantization: {type: quanto, weights: int8}"

    @property
    def weight_bits(self) -> float:
        return {"float8": 8.0, "int8": 8.0, "int4": 4.5, "int2": 2.5}[self.weights]
