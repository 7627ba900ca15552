"""Inputs of low-rank adapters in the type of the computation."""

from typing import ClassVar, Literal

from recipe_runner.components.lever import (
    Lever,
    Situation,
    Verdict,
    applied,
    asked_for,
    not_needed,
    refused,
)


class AdapterInputs(Lever):
    """Inputs of low-rank adapters stay in 16 bits under autocast.

    PEFT turns the input of each adapted layer into float32, the type of the adapter's weights,
    and autocast turns it back for the product: the same values, kept twice for the backward
    pass. The weights of the adapter stay in float32.
    """

    type: Literal["adapter_inputs"]

    keeps_inputs: ClassVar[bool] = True
    snippet: ClassVar[str] = "speed: {adapter_inputs: on}"
    gain: ClassVar[str] = "15% less saved activations of an 8B model, by the formula of the plan"

    def judge(self, situation: Situation) -> Verdict:
        """Used for low-rank adapters without dropout, in mixed precision."""
        if not situation.adapter:
            return not_needed("the model trains in full")
        if situation.precision == "no":
            return not_needed("everything is computed in float32")
        if not situation.low_rank:
            return refused(f"what {situation.adapter} does with its inputs has not been proven")
        if situation.dropout:
            return asked_for("`adapter.lora_dropout` would scale inputs in 16 bits")
        return applied("autocast turns inputs back in any case")
