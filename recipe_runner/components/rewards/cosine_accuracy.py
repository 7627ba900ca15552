"""TRL's own reward for right answers in mathematics that are short."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.reward import Reward, Text, UpstreamFunction
from recipe_runner.plan import Requirement


class CosineAccuracy(Reward):
    """Right answers are worth more the shorter they are, wrong ones less.

    It is `accuracy` on half a wave of a cosine over the length in tokens. Use it to keep
    reasoning short where it is right, and let it go on where it is not.

    Source: arXiv 2502.03373, appendix C.1; `trl.rewards.get_cosine_scaled_reward`.
    """

    type: Literal["cosine_accuracy"]
    column: Text = "solution"
    """Column of the row with the right answer, as text."""
    max_len: Annotated[int, Field(ge=1)]
    """Tokens at which the wave ends; mostly `algorithm.max_completion_length`."""
    min_value_wrong: float = -1.0
    """What a wrong answer of no length is worth."""
    max_value_wrong: float = -0.5
    """What a wrong answer of `max_len` tokens or more is worth."""
    min_value_correct: float = 0.5
    """What a right answer of `max_len` tokens or more is worth."""
    max_value_correct: float = 1.0
    """What a right answer of no length is worth."""

    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("math-verify", "math_verify", "rewards: cosine_accuracy"),
    )
    snippet: ClassVar[str] = "rewards: {type: cosine_accuracy, max_len: 512}"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def upstream_function(self) -> UpstreamFunction:
        return UpstreamFunction(
            "trl.rewards:get_cosine_scaled_reward",
            {"solution": self.column},
            makes=self.model_dump(
                include={
                    "max_len",
                    "min_value_wrong",
                    "max_value_wrong",
                    "min_value_correct",
                    "max_value_correct",
                }
            ),
        )
