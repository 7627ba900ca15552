"""TRL's own reward for reasoning in tags."""

from typing import ClassVar, Literal

from recipe_runner.components.reward import Reward, UpstreamFunction


class ThinkFormat(Reward):
    """1 for an answer that begins with one `<think>...</think>`, else 0.

    It is TRL's own function, for runs that are to be compared with its scripts. `format` does
    the same for any tags, and can give a fraction.

    Source: `trl.rewards.think_format_reward`.
    """

    type: Literal["think_format"]

    snippet: ClassVar[str] = "rewards: think_format"

    @property
    def upstream_function(self) -> UpstreamFunction:
        return UpstreamFunction("trl.rewards:think_format_reward")
