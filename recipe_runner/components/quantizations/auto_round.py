# Generated from devtools/quantization_words: python -m recipe_runner.devtools.generate
"""AutoRound, through transformers."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.quantization import Quantization
from recipe_runner.plan import Requirement


class AutoRound(Quantization):
    """AutoRound: weights in 2 to 8 bits whose rounding was learned by signed gradients.

    Source: arXiv 2309.05516; `transformers.AutoRoundConfig`.
    """

    type: Literal["auto_round"]
    bits: Literal[2, 3, 4, 8] = 4
    """Bits of a weight; those of the checkpoint count."""
    group_size: Annotated[int, Field(ge=-1)] = 128
    """Weights that share a scale; -1 is a whole row."""
    backend: str = "auto"
    """Kernel, by auto-round's name."""

    upstream: ClassVar[str | None] = "transformers:AutoRoundConfig"
    quant_method: ClassVar[str] = "auto-round"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("auto-round", "auto_round", "quantization: auto_round"),
    )
    dequantizes: ClassVar[bool] = False
    prequantized_only: ClassVar[bool] = True
    snippet: ClassVar[str] = "quantization: auto_round"

    @property
    def weight_bits(self) -> float:
        return self.bits + 20 / (self.group_size if self.group_size > 0 else 4096)
