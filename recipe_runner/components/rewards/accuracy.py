"""TRL's own reward for right answers in mathematics."""

from typing import ClassVar, Literal

from recipe_runner.components.reward import Reward, Text, UpstreamFunction
from recipe_runner.plan import Requirement


class Accuracy(Reward):
    r"""1 where the answer's formula equals the one in a column of the row, else 0.

    It is TRL's own function, for runs that are to be compared with its scripts: the answer has to
    be in LaTeX, a `\boxed{...}` first. `math_verify` takes plain numbers and expressions as well.

    Source: `trl.rewards.accuracy_reward`.
    """

    type: Literal["accuracy"]
    column: Text = "solution"
    """Column of the row with the right answer, as text."""

    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("math-verify", "math_verify", "rewards: accuracy"),
    )
    snippet: ClassVar[str] = "rewards: {type: accuracy, column: solution}"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def upstream_function(self) -> UpstreamFunction:
        return UpstreamFunction("trl.rewards:accuracy_reward", {"solution": self.column})
