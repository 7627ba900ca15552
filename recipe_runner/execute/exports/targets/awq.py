"""4-bit weights by AWQ, for vLLM."""

from __future__ import annotations

from typing import Any, ClassVar

from recipe_runner.execute.exports.compressed import HEAD, Compressed
from recipe_runner.execute.exports.target import Job


class Awq(Compressed):
    """Weights that meet large activations are scaled before rounding (arXiv 2306.00978)."""

    about: ClassVar[str] = "4-bit weights by AWQ, calibrated on the training data, for vLLM"
    # Source: llm-compressor 0.14 pins what it keeps of a layer for a GPU, and has no other way.
    needs_gpu: ClassVar[bool] = True
    types: ClassVar[tuple[str, ...]] = ("w4a16_asym", "w4a16")

    def modifier(self, job: Job) -> Any:
        from llmcompressor.modifiers.awq import AWQModifier

        return AWQModifier(targets="Linear", scheme=job.type.upper(), ignore=[HEAD])
