# Generated from devtools/quantization_words: python -m recipe_runner.devtools.generate
"""EETQ, through transformers."""

from typing import ClassVar, Literal

from recipe_runner.components.base import Strings
from recipe_runner.components.quantization import LayerKind, Quantization
from recipe_runner.plan import Requirement


class Eetq(Quantization):
    """EETQ: weights in 8 bits per channel, with fast kernels.

    Nearly as fast as 16 bits, and half the memory.

    Source: https://github.com/NetEase-FuXi/EETQ; `transformers.EetqConfig`.
    """

    type: Literal["eetq"]
    weights: Literal["int8"] = "int8"
    """Type of the weights."""
    modules_to_not_convert: Strings | None = None
    """Modules left as they are; null leaves the output head."""

    upstream: ClassVar[str | None] = "transformers:EetqConfig"
    quant_method: ClassVar[str] = "eetq"
    layer_kind: ClassVar[LayerKind] = "eetq"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("kernels", "kernels", "quantization: eetq"),
    )
    needs_gpu: ClassVar[bool] = True
    snippet: ClassVar[str] = "quantization: eetq"

    @property
    def weight_bits(self) -> float:
        return 8.0
