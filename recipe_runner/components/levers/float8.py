"""Products of matrices in 8 bits."""

from typing import ClassVar, Literal

from recipe_runner.components.lever import (
    Lever,
    Situation,
    Verdict,
    asked_for,
    not_needed,
    refused,
)

_BEFORE = frozenset({"A10", "A100", "A10G", "A40", "A6000", "P100", "RTX3090", "T4", "V100"})
"""GPUs before Ada and Hopper (compute capability 8.9), which do not multiply in float8."""


class Float8(Lever):
    """Layers multiply in float8, with a scale for each tensor; weights and optimizer stay as they are.

    torchao turns inputs, weights and gradients into float8 as they come, each by its largest
    number. It pays for large matrices, and beside `regional_compile`, which makes one kernel of
    scaling and casting. Products are rounded to 4 bits of mantissa.
    """

    type: Literal["float8"]

    snippet: ClassVar[str] = "speed: {float8: on, regional_compile: on}"
    gain: ClassVar[str] = "1.28 times beside compiling, 8B in full on H100, by torchtitan"

    def judge(self, situation: Situation) -> Verdict:
        """On request only, where the GPU has it and the model trains in full."""
        if situation.cpu:
            return refused("a CPU has no products in float8")
        if situation.kind in _BEFORE:
            return refused(f"{situation.kind} has no products in float8")
        if situation.quantized:
            return refused(f"{situation.quantized} multiplies in a way of its own")
        if situation.adapter:
            return refused("most products are with frozen weights, which has not been proven")
        if situation.shards_weights:
            return refused("the weights are spread over processes, which has not been proven")
        if situation.precision != "bf16":
            return not_needed("float8 takes the place of bfloat16, and the run has none")
        return asked_for("products are rounded to 4 bits of mantissa")
