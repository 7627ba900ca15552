# Generated from devtools/quantization_words: python -m recipe_runner.devtools.generate
"""NVFP4, through transformers."""

from typing import ClassVar, Literal

from recipe_runner.components.base import Strings
from recipe_runner.components.quantization import Quantization
from recipe_runner.plan import Requirement


class Nvfp4(Quantization):
    """NVFP4: weights in 4-bit floats with a scale for 16 of them, for NVIDIA's Blackwell GPUs.

    Source: arXiv 2509.25149; `transformers.NVFP4Config`.
    """

    type: Literal["nvfp4"]
    modules_to_not_convert: Strings | None = None
    """Modules left as they are; null leaves the output head."""

    upstream: ClassVar[str | None] = "transformers:NVFP4Config"
    quant_method: ClassVar[str] = "nvfp4"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("kernels", "kernels", "quantization: nvfp4"),
    )
    adapter_trains: ClassVar[bool] = False
    needs_gpu: ClassVar[bool] = True
    snippet: ClassVar[str] = "quantization: nvfp4"

    @property
    def weight_bits(self) -> float:
        return 4.5
