# Generated from devtools/quantization_words: python -m recipe_runner.devtools.generate
"""FP-Quant, through transformers."""

from typing import ClassVar, Literal

from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count
from recipe_runner.components.quantization import Quantization
from recipe_runner.plan import Requirement


class FpQuant(Quantization):
    """FP-Quant: 4-bit floats after a Hadamard transform, for training and inference on Blackwell GPUs.

    Source: arXiv 2509.23202; `transformers.FPQuantConfig`.
    """

    type: Literal["fp_quant"]
    forward_dtype: Literal["nvfp4", "mxfp4"] = "nvfp4"
    """Type of weights and activations."""
    forward_method: Literal["abs_max", "quest"] = "abs_max"
    """How the scales are chosen."""
    hadamard_group_size: Count | None = None
    """Size of the transform; null is that of the type."""
    pseudoquantization: bool = False
    """Compute as if in 4 bits, on any GPU."""
    transform_init: Literal["hadamard", "identity", "gsr"] = "hadamard"
    """The transform."""
    modules_to_not_convert: Strings | None = None
    """Modules left as they are; null leaves the output head."""

    upstream: ClassVar[str | None] = "transformers:FPQuantConfig"
    quant_method: ClassVar[str] = "fp_quant"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("fp-quant", "fp_quant", "quantization: fp_quant"),
    )
    adapter_trains: ClassVar[bool] = False
    needs_gpu: ClassVar[bool] = True
    snippet: ClassVar[str] = "quantization: fp_quant"

    @property
    def weight_bits(self) -> float:
        return 4.5 if self.forward_dtype == "nvfp4" else 4.25
