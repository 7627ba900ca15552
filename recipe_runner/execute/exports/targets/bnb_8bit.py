"""8-bit weights of bitsandbytes, which transformers, PEFT and vLLM load."""

from __future__ import annotations

from typing import Any, ClassVar

from recipe_runner.execute.exports.quantized import Quantized
from recipe_runner.execute.exports.target import Job
from recipe_runner.plan import Requirement


class Bnb8Bit(Quantized):
    """8-bit integers with outliers computed apart (arXiv 2208.07339)."""

    about: ClassVar[str] = "8-bit weights of bitsandbytes, for transformers and vLLM"
    packages: ClassVar[tuple[Requirement, ...]] = (
        Requirement("bitsandbytes", "bitsandbytes", "quantizing with bitsandbytes"),
    )

    def configuration(self, job: Job) -> Any:
        from transformers import BitsAndBytesConfig

        return BitsAndBytesConfig(load_in_8bit=True)
