"""A punishment that begins before an answer is cut off."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from recipe_runner.components.reward import Answer, Reward


class SoftOverlong(Reward):
    """From 0 down to -1: 0 for answers that end in time, -1 for those that do not.

    Use it in place of the sudden loss of an answer that broke off at `max_completion_length`,
    with `max_completion_len` at that length. In the last `soft_punish_cache` tokens before it the
    reward falls in a straight line.

    Source: arXiv 2503.14476, equation 13; `trl.rewards.get_soft_overlong_punishment`.
    """

    type: Literal["soft_overlong"]
    max_completion_len: Annotated[int, Field(ge=1)]
    """Tokens from which on an answer is worth -1; mostly `algorithm.max_completion_length`."""
    soft_punish_cache: Annotated[int, Field(ge=0)]
    """Tokens before that in which the reward falls; a fifth of `max_completion_len` is usual."""

    snippet: ClassVar[str] = (
        "rewards: {type: soft_overlong, max_completion_len: 512, soft_punish_cache: 102}"
    )

    @field_validator("soft_punish_cache")
    @classmethod
    def _inside(cls, value: int, info: ValidationInfo) -> int:
        longest = info.data.get("max_completion_len")
        if longest is not None and value > longest:
            raise PydanticCustomError("less_than_equal", "{le}", {"le": longest})
        return value

    def judge(self, answer: Answer) -> float:
        over = answer.size("tokens") - (self.max_completion_len - self.soft_punish_cache)
        if over <= 0:
            return 0.0
        return -1.0 if over > self.soft_punish_cache else -over / self.soft_punish_cache
