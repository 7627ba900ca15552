"""What judges the answers of a run, and the models beside the one that trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class RewardPlan:
    """A reward by its `type` and all its options.

    `name` is what metrics call it. `weight` is its factor in the sum. `model` is the folder
    or hub id of a model that judges. `file` is an absolute path of the Python file whose
    `function` judges, and `sha256` what it held when it was allowed.
    """

    type: str
    name: str
    weight: float = 1.0
    options: Mapping[str, Any] = field(default_factory=dict)
    file: str | None = None
    function: str | None = None
    sha256: str | None = None
