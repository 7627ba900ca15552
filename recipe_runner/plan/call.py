"""A call: the name of an upstream object, or of a trainer of ours, and the keyword arguments to build it with.

A plan is closed: objects appear only as calls, and a target is one of the forms
below. Which targets may really be built is decided by `execute`, against the
upstream snapshot; a recipe can never name an arbitrary Python path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PACKAGES = ("trl", "peft", "transformers", "torchao", "recipe_runner")
_TARGET = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)*:[A-Z]\w*(?:\.from_[a-z]+)?")


@dataclass(frozen=True)
class Call:
    """Build `target` ("trl:SFTConfig") with `arguments`, which are JSON values."""

    target: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _TARGET.fullmatch(self.target):
            raise ValueError(f"{self.target!r} is not of the form package:Class")
