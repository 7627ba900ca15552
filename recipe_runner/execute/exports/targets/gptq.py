"""4-bit or 8-bit weights by GPTQ, for vLLM."""

from __future__ import annotations

from typing import Any, ClassVar

from recipe_runner.execute.exports.compressed import HEAD, Compressed
from recipe_runner.execute.exports.target import Job


class Gptq(Compressed):
    """Each layer is rounded column by column, and what is lost is made up for (arXiv 2210.17323)."""

    about: ClassVar[str] = "4-bit weights by GPTQ, calibrated on the training data, for vLLM"
    types: ClassVar[tuple[str, ...]] = ("w4a16", "w8a16")

    def modifier(self, job: Job) -> Any:
        from llmcompressor.modifiers.gptq import GPTQModifier

        return GPTQModifier(targets="Linear", scheme=job.type.upper(), ignore=[HEAD])
