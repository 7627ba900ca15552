"""The layers of the model, compiled."""

from typing import ClassVar, Literal

from recipe_runner.components.lever import (
    Lever,
    Situation,
    Verdict,
    asked_for,
    not_needed,
    refused,
)


class RegionalCompile(Lever):
    """Each layer of the model is compiled by `torch.compile`, and all layers share the code.

    What is between two products of matrices becomes one kernel. Compiling takes a minute or so
    instead of the several of a whole model, and lengths of batches may differ. What was kept in
    16 bits between two operations may not be rounded any more, so numbers change a little. The
    plan proposes it for runs that are long enough.
    """

    type: Literal["regional_compile"]

    compiles_layers: ClassVar[bool] = True
    seconds_to_begin: ClassVar[float] = 60
    snippet: ClassVar[str] = "speed: {regional_compile: on}"
    gain: ClassVar[str] = "1.14 to 1.27 times for whole models on GPUs, by torchtune and torchtitan"

    def judge(self, situation: Situation) -> Verdict:
        """On request only: it needs a compiler, pays off late, and rounds otherwise."""
        if situation.torch_compile:
            return not_needed("`training.torch_compile` compiles the whole model")
        if situation.shards_weights:
            return refused("the weights are spread over processes, which has not been proven")
        if situation.reads_batch is not None:
            return refused(f"{situation.reads_batch} has kernels that are not compiled")
        return asked_for("compiled layers round otherwise, and compiling takes a minute or so")
