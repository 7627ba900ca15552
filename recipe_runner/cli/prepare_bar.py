"""A live bar: rows done, rows per second, time left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipe_runner.cli.bar import started
from recipe_runner.execute.data.telling import Pace
from recipe_runner.execute.screen import duration

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


class RowsBar:
    """Draws the bar from the first row on, which is after the processes were started.

    rich draws in a thread, and a process that is forked beside a thread may inherit a lock
    that nobody opens again.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._pace = Pace()

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` rows are prepared."""
        if self._bar is None:
            self._bar = self._start(total)
        speed, left = self._pace(done, total)
        self._bar.update(
            self._bar.task_ids[0],
            completed=done,
            rows=f"{done:,}/{total:,} rows",
            speed="" if speed is None else f"{speed:,.0f} rows/s",
            left="" if left is None else f"{duration(left)} left",
        )

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _start(self, total: int) -> Progress:
        return started(self._console, "prepare", total, ("rows", "speed", "left"))
