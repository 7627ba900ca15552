"""8-bit floating point weights and activations, for vLLM on GPUs that compute with them."""

from __future__ import annotations

from typing import Any, ClassVar

from recipe_runner.execute.exports.compressed import HEAD, Compressed
from recipe_runner.execute.exports.target import Job


class Fp8(Compressed):
    """A scale for each output of a layer, and one for each token as it comes; needs no rows."""

    about: ClassVar[str] = "8-bit floating point weights and activations, for vLLM"
    reads_rows: ClassVar[bool] = False

    def modifier(self, job: Job) -> Any:
        from llmcompressor.modifiers.quantization import QuantizationModifier

        return QuantizationModifier(targets="Linear", scheme="FP8_DYNAMIC", ignore=[HEAD])
