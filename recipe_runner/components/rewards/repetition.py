"""Against answers that say the same thing over and over."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.reward import Answer, Reward


class Repetition(Reward):
    """From 0 down to `max_penalty`, by the fraction of the answer's n-grams that it has had before.

    Use it against loops and padding, which rewards for length or format invite. An answer
    without a repeated n-gram, or shorter than one, is worth 0.

    Source: arXiv 2502.03373, appendix C.2; `trl.rewards.get_repetition_penalty_reward`.
    """

    type: Literal["repetition"]
    ngram_size: Annotated[int, Field(ge=1)] = 3
    """Units of a piece that is compared; the larger, the longer a repetition has to be to count."""
    max_penalty: Annotated[float, Field(le=0)] = -1.0
    """What an answer comes near that is nothing but repetition."""
    unit: Literal["words", "tokens"] = "tokens"
    """What is compared; words are what stands between white space, tokens are the model's own."""

    snippet: ClassVar[str] = "rewards: {type: repetition, ngram_size: 4, max_penalty: -0.5}"

    def judge(self, answer: Answer) -> float:
        units = answer.parts(self.unit)
        total = len(units) - self.ngram_size + 1
        if total < 1:
            return 0.0
        different = {tuple(units[at : at + self.ngram_size]) for at in range(total)}
        repeated = 1 - len(different) / total
        return repeated * self.max_penalty if repeated else 0.0
