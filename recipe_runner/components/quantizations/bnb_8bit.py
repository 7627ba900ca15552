"""Eight bits through bitsandbytes."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.base import Strings
from recipe_runner.components.quantization import Quantization
from recipe_runner.plan import Call, Requirement


class Bnb8bit(Quantization):
    """The base model in 8 bits, with outliers kept in 16.

    Use it with `adapter: lora` where 4 bits lose too much: one byte per parameter,
    slower than both 16 and 4 bits.

    Source: LLM.int8(), arXiv 2208.07339; `transformers.BitsAndBytesConfig`.
    """

    type: Literal["bnb_8bit"]
    llm_int8_threshold: Annotated[float, Field(ge=0)] = 6.0
    """Activations above this are multiplied in 16 bits; 0 turns the split off."""
    llm_int8_has_fp16_weight: bool = False
    """Keep 16-bit weights beside the 8-bit ones."""
    llm_int8_skip_modules: Strings | None = None
    """Modules left in full precision; null leaves the output head."""

    upstream: ClassVar[str | None] = "transformers:BitsAndBytesConfig"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("bitsandbytes", "bitsandbytes", "quantization: bnb_8bit"),
    )
    snippet: ClassVar[str] = "quantization: bnb_8bit"

    def compile(self) -> Call:
        return Call("transformers:BitsAndBytesConfig", {"load_in_8bit": True, **self.arguments()})
