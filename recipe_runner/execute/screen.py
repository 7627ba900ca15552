"""Two ready consoles: a live bar for a terminal, plain lines for a log or a pipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, TYPE_CHECKING

from recipe_runner.diagnostics import Diagnostic
from recipe_runner.execute.console import Progress

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.progress import Progress as Bar

_ROOM_FOR_BAR = 110
"""Columns of a terminal from which a bar fits beside the numbers."""

Render = Callable[[Diagnostic], str]
"""Turns a diagnostic into the text to show; the command line brings its renderer."""


def one_line(diagnostic: Diagnostic) -> str:
    """`path: RR601 package-missing: message`, with the help on a line of its own."""
    head = f"{diagnostic.place.path}: {diagnostic.code.id} {diagnostic.code.name}"
    tail = f"\n  help: {diagnostic.help}" if diagnostic.help else ""
    return f"{head}: {diagnostic.message}{tail}"


def describe(progress: Progress) -> str:
    """The numbers of a step as `loss 1.234  lr 2.0e-04  812 tokens/s  0.6 GiB`."""
    parts = []
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.4f}")
    if progress.eval_loss is not None:
        parts.append(f"eval loss {progress.eval_loss:.4f}")
    parts += [f"{name} {value:.3f}" for name, value in progress.watched.items()]
    if progress.learning_rate is not None:
        parts.append(f"lr {progress.learning_rate:.1e}")
    if progress.tokens_per_second is not None:
        parts.append(f"{progress.tokens_per_second:,.0f} tokens/s")
    if progress.memory_bytes is not None:
        parts.append(f"{progress.memory_bytes / 2**30:.1f} GiB")
    return "  ".join(parts)


def duration(seconds: float) -> str:
    """Seconds as `45s`, `12m 03s` or `3h 20m`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m {rest:02d}s" if minutes < 60 else f"{minutes // 60}h {minutes % 60:02d}m"


class PlainConsole:
    """Writes lines to a stream; progress only at logging steps, one line each."""

    def __init__(self, stream: IO[str], render: Render = one_line) -> None:
        self._stream = stream
        self._render = render

    def line(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()

    def diagnostic(self, diagnostic: Diagnostic) -> None:
        self.line(self._render(diagnostic))

    def progress(self, progress: Progress | None) -> None:
        if progress is None or not progress.logged:
            return
        left = "" if progress.seconds_left is None else f"  {duration(progress.seconds_left)} left"
        self.line(f"step {progress.step}/{progress.total}  {describe(progress)}{left}")


class TerminalConsole:
    """Draws a live bar with loss, learning rate, tokens per second, memory and time left.

    `console` must have been made with a fixed `file`: rich otherwise follows `sys.stdout`.
    """

    def __init__(self, console: RichConsole, render: Render = one_line) -> None:
        self._console = console
        self._render = render
        self._bar: Bar | None = None

    def line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def diagnostic(self, diagnostic: Diagnostic) -> None:
        self.line(self._render(diagnostic))

    def progress(self, progress: Progress | None) -> None:
        if progress is None:
            if self._bar is not None:
                self._bar.stop()
                self._bar = None
            return
        if self._bar is None:
            self._bar = self._start(progress.total)
        bar = self._bar
        left = "" if progress.seconds_left is None else f"{duration(progress.seconds_left)} left"
        bar.update(
            bar.task_ids[0],
            completed=progress.step,
            total=progress.total,
            numbers=describe(progress),
            left=left,
        )

    def _start(self, total: int) -> Bar:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar
        from rich.table import Column

        # On a narrow terminal rich would drop the steps first; the bar is what can be missed.
        whole = Column(no_wrap=True, min_width=len(f"{total}/{total}"))
        rest = Column(no_wrap=True, overflow="ellipsis", ratio=1)
        bar = Bar(
            *([BarColumn(bar_width=16)] if self._console.width >= _ROOM_FOR_BAR else []),
            MofNCompleteColumn(table_column=whole),
            TextColumn("{task.fields[left]}", table_column=Column(no_wrap=True, min_width=12)),
            TextColumn("{task.fields[numbers]}", table_column=rest),
            console=self._console,
            redirect_stdout=False,
            redirect_stderr=False,
            refresh_per_second=4,
            expand=True,
        )
        bar.add_task("train", total=total, numbers="", left="")
        bar.start()
        return bar
