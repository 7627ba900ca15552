"""What a run is told of its optimizer beyond the trainer's arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class RateGroup:
    """Parameters that train at another rate, or with another decay; None leaves the run's own.

    `pattern` is a regular expression on the names of parameters, `asked_by` the key of the
    recipe. A group that is not `demanded` may find nothing.
    """

    pattern: str
    learning_rate: float | None
    weight_decay: float | None
    asked_by: str
    demanded: bool = True


@dataclass(frozen=True)
class OptimizerPlan:
    """Groups of parameters, of which the first that finds a parameter has it, and the optimizer.

    `name` is an optimizer of this package with its `options`, None for transformers' own, which
    the trainer's arguments name.
    """

    groups: tuple[RateGroup, ...] = ()
    name: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
