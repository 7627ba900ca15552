"""Unsloth in the place of transformers and PEFT, for the model and its adapter."""

from typing import ClassVar, Literal

from recipe_runner.components.lever import (
    Lever,
    Situation,
    Verdict,
    asked_for,
    refused,
)
from recipe_runner.plan.kernels import OF_UNSLOTH

_PACKAGE, _ZOO = "unsloth", "unsloth_zoo"


class Unsloth(Lever):
    """`unsloth` loads the model and puts the adapter on it, with kernels of its own in the layers.

    It is a backend for one GPU that replaces parts of transformers, PEFT and TRL while it is
    imported, so no other lever is used beside it, and numbers are its own: a recipe has to ask for
    it. It wants certain versions of those packages; where others are installed, the plan says
    which.
    """

    type: Literal["unsloth"]

    packages: ClassVar[tuple[str, ...]] = (_PACKAGE, _ZOO)
    makes_model: ClassVar[bool] = True
    fuses_layers: ClassVar[bool] = True
    is_proposed: ClassVar[bool] = False
    snippet: ClassVar[str] = "speed: {unsloth: on}"
    gain: ClassVar[str] = (
        "not measured here: 2 times transformers with FlashAttention 2 for QLoRA of an 8B model, by "
        "Unsloth, and 1.24 to 1.28 times compiled torchtune, by wandb.ai/augmxnt/train-bench"
    )

    def judge(self, situation: Situation) -> Verdict:
        """On request only, within what Unsloth is for."""
        if situation.cpu:
            return refused("it needs a GPU")
        if lacks := situation.lacks(_PACKAGE) or situation.lacks(_ZOO):
            return refused(lacks)
        if situation.processes > 1:
            return refused("it is for one process")
        if situation.feed == "prompts":
            return refused("answers in between have not been proven with it")
        if situation.sees:
            return refused("models that see have not been proven with it")
        if situation.adapter and not situation.low_rank:
            return refused(f"it trains in full or with LoRA, and not {situation.adapter}")
        if situation.torch_compile:
            return refused("it compiles in a way of its own, and `training.torch_compile` too")
        kind = situation.text_config.get("model_type")
        if kind is not None and kind not in OF_UNSLOTH:
            return refused(f"it has no kernels for {kind}")
        return asked_for(
            "it replaces parts of transformers, PEFT and TRL, so numbers are its own; "
            f"{situation.has(_PACKAGE)}"
        )
