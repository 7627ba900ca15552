"""The output head and the loss, over tokens with a label only."""

from typing import ClassVar, Literal

from recipe_runner.components.lever import Lever, Situation, Verdict, applied, not_needed


class LossHead(Lever):
    """The output head is applied to tokens that have a label, and its gradient is ready in one go.

    TRL's head without Triton scores every token and throws those without a label away, and
    computes the logits a second time for the gradient, in float32. Here logits are made once,
    for tokens with a label, a few hundred of them at a time, and their gradient is taken while
    they are there. Where the weights of the head train and the loss is no plain sum, the
    probabilities are kept up to a bound, and made again beyond it.
    """

    type: Literal["loss_head"]

    scores_once: ClassVar[bool] = True

    snippet: ClassVar[str] = "speed: {loss_head: on}"
    gain: ClassVar[str] = (
        "4 times beside the other levers and 2 times alone with 4,096 tokens in the vocabulary, "
        "more with more, on a CPU (`python -m benchmarks.ablation`)"
    )

    def judge(self, situation: Situation) -> Verdict:
        """Used on CPUs, for trainers that ask the model for the probabilities of labels."""
        if not situation.reads_head:
            return not_needed(f"{situation.algorithm} does not ask the head for labels")
        if not situation.cpu:
            return not_needed("TRL's own kernel leaves tokens without a label out on a GPU")
        return applied("TRL's head without Triton scores every token, in float32")
