# Generated from devtools/quantization_words: python -m recipe_runner.devtools.generate
"""Quark, through transformers."""

from typing import ClassVar, Literal

from recipe_runner.components.quantization import Quantization
from recipe_runner.plan import Requirement


class Quark(Quantization):
    """Quark: what AMD's tool writes: 4 to 8 bits in several schemes.

    Source: https://quark.docs.amd.com; `transformers.QuarkConfig`.
    """

    type: Literal["quark"]

    upstream: ClassVar[str | None] = "transformers:QuarkConfig"
    quant_method: ClassVar[str] = "quark"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("amd-quark", "quark", "quantization: quark"),
    )
    adapter_trains: ClassVar[bool] = False
    dequantizes: ClassVar[bool] = False
    prequantized_only: ClassVar[bool] = True
    snippet: ClassVar[str] = "quantization: quark"

    @property
    def weight_bits(self) -> float:
        return 8.0
