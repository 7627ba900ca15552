"""How far a file of prompts is: a live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import IO, TYPE_CHECKING

from recipe_runner.cli.bar import started
from recipe_runner.cli.screen import wants_color
from recipe_runner.execute.screen import duration

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_EVERY = 10.0
"""Seconds between two lines where there is no terminal for a bar."""


class Progress(AbstractContextManager["Progress"]):
    """Writes lines to `stream`, which it holds on to."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._started = time.monotonic()
        self._next = self._started + _EVERY

    def __call__(self, done: int, total: int, tokens: int) -> None:
        """Show that `done` of `total` prompts are answered, with `tokens` so far in this run."""
        now = time.monotonic()
        if now >= self._next and done < total:
            self._next = now + _EVERY
            self.line(f"{done:,} of {total:,} prompts  {self._pace(tokens)}")

    def line(self, text: str) -> None:
        """Show a line."""
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def close(self) -> None:
        """Take away what moves."""

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pace(self, tokens: int) -> str:
        seconds = time.monotonic() - self._started
        return f"{tokens / seconds:,.0f} tokens/s" if seconds > 0 else ""


class _Live(Progress):
    """The same with a bar."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__(stream)
        self._bar: Bar | None = None
        self._before: tuple[int, float] | None = None

    def __call__(self, done: int, total: int, tokens: int) -> None:
        if self._bar is None:
            self._bar = self._start(total)
        self._bar.update(
            self._bar.task_ids[0],
            completed=done,
            prompts=f"{done:,}/{total:,} prompts",
            pace=self._pace(tokens),
            left=self._left(done, total),
        )

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _left(self, done: int, total: int) -> str:
        """From the pace since the first batch, which had the model loaded."""
        now = time.monotonic()
        if self._before is None:
            self._before = done, now
            return ""
        rows, seconds = done - self._before[0], now - self._before[1]
        return f"{duration((total - done) * seconds / rows)} left" if rows else ""

    def _start(self, total: int) -> Bar:
        from rich.console import Console

        console = Console(file=self._stream, no_color=not wants_color(self._stream))
        return started(console, "generate", total, ("prompts", "pace", "left"))


def progress(stream: IO[str]) -> Progress:
    """The progress that fits `stream`."""
    return _Live(stream) if stream.isatty() else Progress(stream)
