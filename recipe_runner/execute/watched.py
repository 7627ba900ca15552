"""Numbers by which a person sees that an algorithm does its job, beside the loss.

Upstream's trainers log some thirty numbers each; these few are shown while a run goes, and
at its end with their first value. All of them are in `metrics.jsonl`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_WORDS: Mapping[str, str] = {
    "reward": "reward",
    "objective/scores": "reward",
    "accuracy": "accuracy",
    "answer_accuracy": "whole answers",
    "rewards/accuracies": "accuracy",
    "rewards/margins": "margin",
    "margin": "margin",
}
"""The names of upstream's numbers, and ours."""


@dataclass(frozen=True)
class Watched:
    """A number at the first and the last time that it was logged."""

    name: str
    first: float
    last: float


def watched(row: Mapping[str, Any]) -> dict[str, float]:
    """What a logged row has of them, by our names; those of evaluations begin with "eval "."""
    found = {}
    for key, value in row.items():
        inner = key.removeprefix("eval_")
        if inner in _WORDS and isinstance(value, int | float):
            found[f"{'eval ' if inner != key else ''}{_WORDS[inner]}"] = float(value)
    return found


def changes(*pairs: tuple[Mapping[str, Any], Mapping[str, Any]]) -> Iterator[Watched]:
    """How they went from a first row to a last one, for each pair of rows."""
    for first, last in pairs:
        begun = watched(first)
        for name, value in watched(last).items():
            yield Watched(name, begun.get(name, value), value)
