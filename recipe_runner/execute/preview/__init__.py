"""Rows as the model sees them: for a person to look at, and to compare before training."""

from recipe_runner.execute.preview.desk import Desk, streams_from_elsewhere
from recipe_runner.execute.preview.row import Count, PreviewRow, Problem, Source
from recipe_runner.execute.preview.selection import (
    WORST,
    Selection,
    SelectionError,
    Shown,
    Worst,
    look,
)
from recipe_runner.execute.preview.summary import Summary, summary_of

__all__ = [
    "WORST",
    "Count",
    "Desk",
    "PreviewRow",
    "Problem",
    "Selection",
    "SelectionError",
    "Shown",
    "Source",
    "Summary",
    "Worst",
    "look",
    "streams_from_elsewhere",
    "summary_of",
]
