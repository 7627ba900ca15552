"""Where results go: JSON lines in a file per benchmark, and a table on the screen."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe

COMMITTED = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Options:
    """How much to measure, and where.

    `results` gets a file per benchmark; quick results stay in `work`, because they are
    too short to keep.
    """

    work: Path
    results: Path
    repeats: int = 2
    quick: bool = False


class Failed(Exception):
    """A benchmark found something that must not be, such as losses that differ."""


def write(folder: Path, name: str, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write `NAME.jsonl`: the machine, then one line per result."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.jsonl"
    lines = [{"machine": describe()}, *rows]
    path.write_text("".join(json.dumps(_rounded(line)) + "\n" for line in lines))
    return path


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; the first column is text, the others are numbers or text."""
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*map(_cell, row))
    Console(width=120).print(table)


def say(text: str) -> None:
    """Print one line of progress."""
    Console(width=120, highlight=False).print(text, markup=False)


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if value else "0"
    return str(value)


def _rounded(value: Any, name: str = "") -> Any:
    """The same JSON value with times and rates to 4 decimals; losses keep all digits."""
    if isinstance(value, Mapping):
        return {key: _rounded(item, key) for key, item in value.items()}
    if isinstance(value, float) and "loss" not in name:
        return round(value, 4)
    return value
