"""Eight bits through bitsandbytes."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import NotNegative
from recipe_runner.components.quantization import LayerKind, Quantization
from recipe_runner.plan import Call, Requirement


class Bnb8bit(Quantization):
    """The base model in 8 bits, with outliers kept in 16.

    Use it with `adapter: lora` where 4 bits lose too much: one byte per parameter,
    slower than both 16 and 4 bits.

    Source: LLM.int8(), arXiv 2208.07339; `transformers.BitsAndBytesConfig`.
    """

    type: Literal["bnb_8bit"]
    llm_int8_threshold: NotNegative = 6.0
    """Activations above this are multiplied in 16 bits; 0 turns the split off."""
    llm_int8_has_fp16_weight: bool = False
    """Keep 16-bit weights beside the 8-bit ones."""
    llm_int8_skip_modules: Strings | None = None
    """Modules left in full precision; null leaves the output head."""
    llm_int8_enable_fp32_cpu_offload: bool = False
    """Keep what does not fit the GPU on the CPU, in full precision."""

    upstream: ClassVar[str | None] = "transformers:BitsAndBytesConfig"
    reads_batch: ClassVar[bool] = True
    quant_method: ClassVar[str] = "bitsandbytes"
    layer_kind: ClassVar[LayerKind] = "bnb_8bit"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("bitsandbytes", "bitsandbytes", "quantization: bnb_8bit"),
    )
    snippet: ClassVar[str] = "quantization: bnb_8bit"

    @property
    def weight_bits(self) -> float:
        return 24.0 if self.llm_int8_has_fp16_weight else 8.0

    @classmethod
    def made(cls, config: Mapping[str, Any]) -> bool:
        # Older checkpoints do not name their method.
        return bool(config.get("load_in_8bit"))

    def compile(self) -> Call:
        return Call("transformers:BitsAndBytesConfig", {"load_in_8bit": True, **self.arguments()})
