"""A bar of progress with words beside it, on the last line of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


def started(console: Console, what: str, total: int, fields: tuple[str, ...]) -> Progress:
    """The bar of `what`, which goes when it stops; its task has a text for each of `fields`."""
    from rich.progress import BarColumn, Progress, TextColumn

    bar = Progress(
        BarColumn(bar_width=None),
        *(TextColumn(f"{{task.fields[{name}]}}") for name in fields),
        console=console,
        redirect_stdout=False,
        redirect_stderr=False,
        refresh_per_second=4,
        expand=True,
        transient=True,
    )
    words: dict[str, Any] = dict.fromkeys(fields, "")
    bar.add_task(what, total=total, **words)
    bar.start()
    return bar
