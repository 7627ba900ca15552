"""Figures of prepared data: lengths, what a `max_length` cuts, how full batches are, repeats."""

from recipe_runner.execute.stats.figures import (
    Bin,
    Copies,
    Cut,
    DataStats,
    Filling,
    SourceStats,
    Suggestion,
)
from recipe_runner.execute.stats.measure import measure

__all__ = [
    "Bin",
    "Copies",
    "Cut",
    "DataStats",
    "Filling",
    "SourceStats",
    "Suggestion",
    "measure",
]
