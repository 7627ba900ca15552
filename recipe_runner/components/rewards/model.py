"""What a reward model says."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.other_model import OtherModelField
from recipe_runner.components.reward import Reward


class Model(Reward):
    """The number that a reward model gives to prompt and answer; its range is the model's own.

    Use it for what no rule can tell: helpfulness, tone, preference. The model has one label, as
    those that `algorithm: reward` trains; conversations go through its own chat template. A
    model that trains against a judge finds what the judge is wrong about, so look at
    `completions.jsonl` while the run goes, and keep `beta` above 0.
    """

    type: Literal["model"]
    model: OtherModelField  # type: ignore[misc]  # a field in place of none
    """The reward model."""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Answers that it judges at a time, on each process; lower it where memory is short."""

    snippet: ClassVar[str] = "rewards: {type: model, model: org/reward-model}"
