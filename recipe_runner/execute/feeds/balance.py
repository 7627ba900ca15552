"""How many answers were judged good, and whether the weights of an algorithm fit that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from recipe_runner.plan import Plan

if TYPE_CHECKING:
    from recipe_runner.execute.data.prepare import Prepared

LOW, HIGH = 1.0, 4 / 3
"""Bounds of (weight x number of good answers) / (weight x number of bad ones).

Source: arXiv 2402.01306, equation 8.
"""


def balance(plan: Plan, prepared: Prepared) -> Iterator[str]:
    """A line about the labels of judged answers; none for other rows."""
    if plan.feed != "judged":
        return
    labels = prepared.train["label"]
    good = sum(labels)
    bad = len(labels) - good
    arguments = plan.arguments.arguments
    weights = arguments.get("desirable_weight"), arguments.get("undesirable_weight")
    said = f"{good:,} good answers and {bad:,} bad ones"
    if None in weights or not good or not bad:
        yield said
        return
    ratio = weights[0] * good / (weights[1] * bad)
    if LOW <= ratio <= HIGH:
        yield f"{said}, weighed {ratio:.2f} to 1"
        return
    fitting = weights[1] * bad / good
    yield (
        f"{said}, weighed {ratio:.2f} to 1; between 1 and 1.33 is recommended: set "
        f"`algorithm.desirable_weight` between {fitting:.2f} and {fitting * HIGH:.2f}"
    )
