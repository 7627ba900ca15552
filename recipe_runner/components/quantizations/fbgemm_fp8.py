# Generated from devtools/quantization_words: python -m recipe_runner.devtools.generate
"""FBGEMM FP8, through transformers."""

from typing import ClassVar, Literal

from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Positive
from recipe_runner.components.quantization import Quantization
from recipe_runner.plan import Requirement


class FbgemmFp8(Quantization):
    """FBGEMM FP8: weights in 8-bit floats with a scale per row, as Llama 3.1 405B is published.

    Source: https://github.com/pytorch/FBGEMM; `transformers.FbgemmFp8Config`.
    """

    type: Literal["fbgemm_fp8"]
    activation_scale_ub: Positive = 1200.0
    """Upper bound of the scale of activations."""
    modules_to_not_convert: Strings | None = None
    """Modules left as they are; null leaves the output head."""

    upstream: ClassVar[str | None] = "transformers:FbgemmFp8Config"
    quant_method: ClassVar[str] = "fbgemm_fp8"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("fbgemm-gpu", "fbgemm_gpu", "quantization: fbgemm_fp8"),
    )
    adapter_trains: ClassVar[bool] = False
    needs_gpu: ClassVar[bool] = True
    snippet: ClassVar[str] = "quantization: fbgemm_fp8"

    @property
    def weight_bits(self) -> float:
        return 8.0
