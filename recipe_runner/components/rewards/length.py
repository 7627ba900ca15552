"""Answers of the right length."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from recipe_runner.components.reward import Answer, Reward, Unit, unusable


class Length(Reward):
    """From 0 to 1: 1 for an answer between `min` and `max` long, less the further it is from there.

    Use it with a small weight beside other rewards, against answers that grow because longer
    ones happen to be right more often. `target` asks for one length instead of a range. Outside
    of it the reward falls in a straight line, and reaches 0 after `falloff`.
    """

    type: Literal["length"]
    unit: Unit = "words"
    """What is counted; words are what stands between white space, tokens are the model's own."""
    min: Annotated[int, Field(ge=0)] = 1
    """Shortest answer that is worth 1."""
    max: Annotated[int, Field(ge=1)] | None = 200
    """Longest answer that is worth 1; null for no bound."""
    target: Annotated[int, Field(ge=1)] | None = None
    """The one length that is worth 1, in place of `min` and `max`."""
    falloff: Annotated[int, Field(ge=1)] | None = None
    """Units from there to where the reward is 0; null is the bound itself: twice too long is worth 0."""

    snippet: ClassVar[str] = "rewards: {type: length, max: 120, weight: 0.1}"

    @field_validator("max")
    @classmethod
    def _above(cls, value: int | None, info: ValidationInfo) -> int | None:
        least = info.data.get("min")
        if value is not None and least is not None and value < least:
            raise PydanticCustomError("greater_than_equal", "{ge}", {"ge": least})
        return value

    @model_validator(mode="after")
    def _one_way(self) -> "Length":
        fields = type(self).model_fields
        # A plan writes all options, so what counts is what was changed and not what was set.
        beside = [n for n in ("min", "max") if getattr(self, n) != fields[n].default]
        if self.target is not None and beside:
            raise unusable(f"has a `target`, which stands alone, and `{beside[0]}` beside it")
        return self

    def judge(self, answer: Answer) -> float:
        size = answer.size(self.unit)
        low, high = (self.min, self.max) if self.target is None else (self.target, self.target)
        if size < low:
            return _fallen(low - size, self.falloff or low)
        if high is not None and size > high:
            return _fallen(size - high, self.falloff or high)
        return 1.0


def _fallen(distance: int, falloff: int) -> float:
    return max(0.0, 1.0 - distance / falloff)
