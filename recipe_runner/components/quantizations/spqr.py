# Generated from devtools/quantization_words: python -m recipe_runner.devtools.generate
"""SpQR, through transformers."""

from typing import ClassVar, Literal

from recipe_runner.components.base import Strings
from recipe_runner.components.quantization import Quantization
from recipe_runner.plan import Requirement


class Spqr(Quantization):
    """SpQR: weights in 3 bits, and the few that are hard to round in full.

    Source: arXiv 2306.03078; `transformers.SpQRConfig`.
    """

    type: Literal["spqr"]
    bits: Literal[3] = 3
    """Bits of a weight."""
    beta1: Literal[16] = 16
    """Height of a block."""
    beta2: Literal[16] = 16
    """Width of a block."""
    modules_to_not_convert: Strings | None = None
    """Modules left as they are; null leaves the output head."""

    upstream: ClassVar[str | None] = "transformers:SpQRConfig"
    quant_method: ClassVar[str] = "spqr"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("spqr-quant", "spqr_quant", "quantization: spqr"),
    )
    adapter_trains: ClassVar[bool] = False
    dequantizes: ClassVar[bool] = False
    prequantized_only: ClassVar[bool] = True
    needs_gpu: ClassVar[bool] = True
    snippet: ClassVar[str] = "quantization: spqr"
