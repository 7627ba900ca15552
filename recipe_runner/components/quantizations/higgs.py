# Generated from devtools/quantization_words: python -m recipe_runner.devtools.generate
"""HIGGS, through transformers."""

from typing import ClassVar, Literal

from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count
from recipe_runner.components.quantization import Quantization
from recipe_runner.plan import Requirement


class Higgs(Quantization):
    """HIGGS: weights in 2 to 4 bits by grids that fit a normal distribution, after a Hadamard transform.

    Source: arXiv 2411.17525; `transformers.HiggsConfig`.
    """

    type: Literal["higgs"]
    bits: Literal[2, 3, 4] = 4
    """Bits of a weight."""
    p: Literal[1, 2] = 2
    """Weights that are looked up together."""
    modules_to_not_convert: Strings | None = None
    """Modules left as they are; null leaves the output head."""
    hadamard_size: Count = 512
    """Size of the transform."""
    group_size: Literal[64, 128, 256] = 256
    """Weights that share a scale."""

    upstream: ClassVar[str | None] = "transformers:HiggsConfig"
    quant_method: ClassVar[str] = "higgs"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("flute-kernel", "flute", "quantization: higgs"),
    )
    adapter_trains: ClassVar[bool] = False
    needs_gpu: ClassVar[bool] = True
    snippet: ClassVar[str] = "quantization: higgs"
