"""The speed part of a plan for a person."""

from __future__ import annotations

from collections.abc import Iterator

from recipe_runner.cli.layout import Line
from recipe_runner.plan import SpeedPlan


def speed_lines(speed: SpeedPlan) -> Iterator[Line]:
    """Each lever with its reason, and what would be faster with other numbers."""
    label = "levers"
    for lever in speed.levers:
        word = "on" if lever.state == "applied" else lever.state
        must = ", required" if lever.required else ""
        yield label, f"{lever.name} {word}{must}: {lever.because}"
        label = ""
    if speed.tokens_per_micro_batch is not None:
        yield "passes", f"up to {speed.tokens_per_micro_batch:,} tokens each, of the rows of a step"
    label = "proposed"
    for each in speed.proposals:
        yield label, f"{each.path}: {each.value} ({each.gain}); it changes numbers: {each.changes}"
        label = ""
