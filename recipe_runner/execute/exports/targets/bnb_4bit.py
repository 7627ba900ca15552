"""4-bit weights of bitsandbytes, which transformers, PEFT and vLLM load."""

from __future__ import annotations

from typing import Any, ClassVar

from recipe_runner.execute.exports.quantized import Quantized
from recipe_runner.execute.exports.target import Job
from recipe_runner.plan import Requirement


class Bnb4Bit(Quantized):
    """4 bits by levels for normally distributed weights, or by a 4-bit float (arXiv 2305.14314)."""

    about: ClassVar[str] = "4-bit weights of bitsandbytes, for transformers and vLLM"
    packages: ClassVar[tuple[Requirement, ...]] = (
        Requirement("bitsandbytes", "bitsandbytes", "quantizing with bitsandbytes"),
    )
    types: ClassVar[tuple[str, ...]] = ("nf4", "fp4")

    def configuration(self, job: Job) -> Any:
        import torch
        from transformers import BitsAndBytesConfig

        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type=job.type,
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
