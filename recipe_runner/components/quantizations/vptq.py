# Generated from devtools/quantization_words: python -m recipe_runner.devtools.generate
"""VPTQ, through transformers."""

from typing import ClassVar, Literal

from recipe_runner.components.base import Strings
from recipe_runner.components.quantization import Quantization
from recipe_runner.plan import Requirement


class Vptq(Quantization):
    """VPTQ: vectors of weights as entries of codebooks, fitted by second-order information.

    Source: arXiv 2409.17066; `transformers.VptqConfig`.
    """

    type: Literal["vptq"]
    modules_to_not_convert: Strings | None = None
    """Modules left as they are; null leaves the output head."""

    upstream: ClassVar[str | None] = "transformers:VptqConfig"
    quant_method: ClassVar[str] = "vptq"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("vptq", "vptq", "quantization: vptq"),
    )
    adapter_trains: ClassVar[bool] = False
    dequantizes: ClassVar[bool] = False
    prequantized_only: ClassVar[bool] = True
    needs_gpu: ClassVar[bool] = True
    snippet: ClassVar[str] = "quantization: vptq"

    @property
    def weight_bits(self) -> float:
        return 2.5
