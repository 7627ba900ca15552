"""Four bits through bitsandbytes."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from recipe_runner.components.base import OrAuto, Strings
from recipe_runner.components.quantization import LayerKind, Quantization
from recipe_runner.plan import Call, Requirement


class Bnb4bit(Quantization):
    """The base model in 4 bits (NF4, double quantization), for QLoRA.

    Use it with `adapter: lora` where the model does not fit otherwise: about 0.52
    bytes per parameter instead of 2, at some cost in speed. bitsandbytes' own
    defaults (fp4, no double quantization, float32 compute) are not the ones of the
    paper; these are.

    Source: QLoRA, arXiv 2305.14314; `transformers.BitsAndBytesConfig`.
    """

    type: Literal["bnb_4bit"]
    bnb_4bit_quant_type: Literal["nf4", "fp4"] = "nf4"
    """`nf4` is made for normally distributed weights and is the better one."""
    bnb_4bit_use_double_quant: bool = True
    """Quantize the scales too: saves about 0.4 bits per parameter."""
    bnb_4bit_compute_dtype: OrAuto[Literal["bfloat16", "float16", "float32"]] = "auto"
    """Type of the products; `auto` is bfloat16 where the hardware has it."""
    bnb_4bit_quant_storage: Literal["uint8", "bfloat16", "float16", "float32"] = "uint8"
    """Type of the tensors that hold the packed weights; FSDP wants that of the other weights."""
    llm_int8_skip_modules: Strings | None = None
    """Modules left in full precision; null leaves the output head."""

    upstream: ClassVar[str | None] = "transformers:BitsAndBytesConfig"
    quant_method: ClassVar[str] = "bitsandbytes"
    layer_kind: ClassVar[LayerKind] = "bnb_4bit"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("bitsandbytes", "bitsandbytes", "quantization: bnb_4bit"),
    )
    compute_dtype_fields: ClassVar[tuple[str, ...]] = ("bnb_4bit_compute_dtype",)
    snippet: ClassVar[str] = "quantization: bnb_4bit"

    @property
    def weight_bits(self) -> float:
        # A scale for 64 weights, in 32 bits, or in 8 with a second scale for 256 of them.
        scale = 8 / 64 + 32 / (64 * 256) if self.bnb_4bit_use_double_quant else 32 / 64
        return 4 + scale

    @property
    def storage_dtype(self) -> str | None:
        return self.bnb_4bit_quant_storage

    @classmethod
    def made(cls, config: Mapping[str, Any]) -> bool:
        # Older checkpoints do not name their method.
        return bool(config.get("load_in_4bit"))

    def compile(self) -> Call:
        return Call("transformers:BitsAndBytesConfig", {"load_in_4bit": True, **self.arguments()})
