"""Where results go: JSON lines in a file per benchmark, and a table on the screen."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
    too short to keep. `seconds` is how long a benchmark may repeat itself. `device`, `suites`
    and `tiny` are for `benchmarks.gpu`, `pythons` for `benchmarks.peers`.
    """

    work: Path
    results: Path
    repeats: int = 2
    quick: bool = False
    seconds: float = math.inf
    device: str = "cuda"
    tiny: bool = False
    suites: Sequence[str] = ()
    pythons: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Headline:
    """One number of a benchmark for the table at the end: ours as a multiple of raw TRL's.

    With `less`, it is seconds or memory, where less is better; else a rate.
    """

    what: str
    ratio: float
    less: bool = False

    @property
    def gain(self) -> float:
        """How many times as good as raw TRL."""
        return 1 / self.ratio if self.less else self.ratio


class Budget:
    """Turns of all arms: as many as `options` want, and no more than its seconds allow."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def turns(self) -> Iterator[int]:
        """Numbers from 0; there is a next one where it would still end in time."""
        begun, longest = time.monotonic(), 0.0
        for turn in range(self._options.repeats):
            if turn and time.monotonic() + longest > begun + self._options.seconds:
                return
            started = time.monotonic()
            yield turn
            longest = max(longest, time.monotonic() - started)


class Failed(Exception):
    """A benchmark found something that must not be, such as losses that differ."""


class Impossible(Exception):
    """A benchmark cannot run on this machine."""


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
