"""Kernels for the layers of a model, from the Hugging Face Hub."""

from typing import ClassVar, Literal

from recipe_runner.components.lever import (
    Lever,
    Situation,
    Verdict,
    asked_for,
    not_needed,
    refused,
)

_PACKAGE = "kernels"


class HubKernels(Lever):
    """Layers compute in kernels that `kernels` fetches from the Hugging Face Hub.

    It is `use_kernels` of transformers, put on once the model is loaded and taken off when the run
    ends. Which layers have a kernel for a device, transformers says; a layer whose kernel cannot be
    fetched stays as it is. Compiled code of the Hub's publishers runs, and rounds in its own way, so
    a recipe has to ask for it.
    """

    type: Literal["hub_kernels"]

    packages: ClassVar[tuple[str, ...]] = (_PACKAGE,)
    fuses_layers: ClassVar[bool] = True
    is_proposed: ClassVar[bool] = False
    snippet: ClassVar[str] = "speed: {hub_kernels: on}"
    gain: ClassVar[str] = "not measured: it wants the Hub and a GPU"

    def judge(self, situation: Situation) -> Verdict:
        """On request only: it runs code of others, and rounds otherwise."""
        if situation.cpu:
            return not_needed("the kernels are for GPUs")
        if lacks := situation.lacks(_PACKAGE):
            return refused(lacks)
        if situation.torch_compile:
            return refused("`training.torch_compile` makes kernels of its own")
        if situation.compiles_layers:
            return not_needed("compiled layers have kernels of their own")
        if situation.shards_weights:
            return refused("the weights are spread over processes, which has not been proven")
        return asked_for(
            f"it fetches compiled code from the Hub, which rounds in its own way; "
            f"{situation.has(_PACKAGE)}"
        )
