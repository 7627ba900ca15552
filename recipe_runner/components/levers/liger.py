"""Norms, rotations and gates of the layers, by the kernels of Liger."""

from typing import ClassVar, Literal

from recipe_runner.components.lever import (
    Lever,
    Situation,
    Verdict,
    applied,
    not_needed,
    refused,
)
from recipe_runner.plan.kernels import OF_LIGER

_PACKAGE = "liger-kernel"


class Liger(Lever):
    """Norms, rotations of positions and gates of the layers compute in one pass each, by `liger-kernel`.

    PyTorch goes over the same numbers several times, and keeps what is between the passes for
    the gradient. Liger's kernels, in Triton, do the same in one pass. Its heads and losses are not
    used: TRL has a head of its own. The layers stay what they are, and compute as before once the run has
    ended. Where `fused_layers` knows the model, that is used.
    """

    type: Literal["liger"]

    packages: ClassVar[tuple[str, ...]] = (_PACKAGE,)
    fuses_layers: ClassVar[bool] = True
    snippet: ClassVar[str] = "speed: {liger: on}"
    gain: ClassVar[str] = (
        "24% less saved activations of an 8B model, and 10 to 20% of the time by Liger's README"
    )

    def judge(self, situation: Situation) -> Verdict:
        """Used on GPUs, for language models that it was compared with PyTorch on."""
        if situation.cpu:
            return not_needed("its kernels are for GPUs")
        if lacks := situation.lacks(_PACKAGE):
            return refused(lacks)
        if situation.torch_compile:
            return not_needed("`training.torch_compile` makes kernels of its own")
        if situation.compiles_layers:
            return not_needed("compiled layers have kernels of their own")
        if situation.shards_weights:
            return refused("the weights are spread over processes, which has not been proven")
        if situation.sees:
            return refused("models that see have not been proven")
        kind = situation.text_config.get("model_type")
        if kind is not None and kind not in OF_LIGER:
            return refused(f"{kind} has not been proven")
        return applied(situation.has(_PACKAGE))
