# Generated from devtools/quantization_words: python -m recipe_runner.devtools.generate
"""Four over Six, through transformers."""

from typing import ClassVar, Literal

from recipe_runner.components.base import Strings
from recipe_runner.components.quantization import Quantization
from recipe_runner.plan import Requirement


class Fouroversix(Quantization):
    """Four over Six: NVFP4 whose blocks are scaled to 4 or to 6, whichever fits better.

    Source: arXiv 2512.02010; `transformers.FourOverSixConfig`.
    """

    type: Literal["fouroversix"]
    dtype: Literal["nvfp4", "mxfp4"] = "nvfp4"
    """Type of the weights."""
    scale_rule: Literal["mse", "mae", "abs_max", "static_6", "static_4"] = "mse"
    """What fits better."""
    weight_scale_2d: bool = False
    """Blocks of 16 by 16 weights instead of 16 in a row."""
    modules_to_not_convert: Strings = ("lm_head",)
    """Modules left as they are."""

    upstream: ClassVar[str | None] = "transformers:FourOverSixConfig"
    quant_method: ClassVar[str] = "fouroversix"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("fouroversix", "fouroversix", "quantization: fouroversix"),
    )
    adapter_trains: ClassVar[bool] = False
    needs_gpu: ClassVar[bool] = True
    snippet: ClassVar[str] = "quantization: fouroversix"

    @property
    def weight_bits(self) -> float:
        return 4.5
