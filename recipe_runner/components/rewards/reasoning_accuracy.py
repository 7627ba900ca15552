"""TRL's own reward for right answers behind a model's reasoning."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, Strict

from recipe_runner.components.reward import Reward, Text, UpstreamFunction
from recipe_runner.plan import Requirement


class ReasoningAccuracy(Reward):
    """1 where the formula behind the reasoning equals the one in a column of the row, else 0.

    It is TRL's own function, for models that think before they answer: what comes before the
    last delimiter is passed over, and an answer without one is worth 0.

    Source: `trl.rewards.reasoning_accuracy_reward`.
    """

    type: Literal["reasoning_accuracy"]
    column: Text = "solution"
    """Column of the row with the right answer, as text."""
    reasoning_delimiters: Annotated[tuple[Text, ...], Strict(False), Field(min_length=1)] = (
        "</think>",
    )
    """Texts that end the reasoning; the first of them that the answer has counts."""

    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("math-verify", "math_verify", "rewards: reasoning_accuracy"),
    )
    snippet: ClassVar[str] = "rewards: {type: reasoning_accuracy, column: solution}"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def upstream_function(self) -> UpstreamFunction:
        return UpstreamFunction(
            "trl.rewards:reasoning_accuracy_reward",
            {"solution": self.column},
            {"reasoning_delimiters": list(self.reasoning_delimiters)},
        )
