"""What makes a run fast: each lever, whether it is used, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["applied", "refused", "not needed"]


@dataclass(frozen=True)
class LeverPlan:
    """A lever and what becomes of it. With `required`, the run ends where it cannot be used.

    `asks` is True where it could be used, and changes numbers, and the recipe does not name it.
    """

    name: str
    state: State
    because: str
    required: bool = False
    asks: bool = False


@dataclass(frozen=True)
class Proposal:
    """A change of the recipe that makes the run faster and changes its numbers.

    `path` and `value` are what to write, `gain` is what it brings, with its source.
    """

    path: str
    value: str
    gain: str
    changes: str


@dataclass(frozen=True)
class SpeedPlan:
    """The levers of a run. `tokens_per_micro_batch` is the most that one forward pass takes.

    It is None where the rows of a step are not regrouped.
    """

    levers: tuple[LeverPlan, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    tokens_per_micro_batch: int | None = None

    def applies(self, name: str) -> bool:
        """True where the run uses the lever."""
        return any(each.name == name and each.state == "applied" for each in self.levers)
