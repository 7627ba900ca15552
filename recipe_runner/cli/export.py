"""`recipe-run export`: turn what a run made into what other programs load."""

from __future__ import annotations

import gc
import json
import shlex
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recipe_runner.cli.layout import short_path
from recipe_runner.cli.screen import wants_color

if TYPE_CHECKING:
    from recipe_runner.execute.exports.export import Exported
    from recipe_runner.execute.exports.target import Target


class Form(click.ParamType["Target"]):
    """The name of a target of exports."""

    name = "target"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Target:
        from recipe_runner.execute.exports.target import targets

        known = targets()
        if value not in known:
            listed = "; ".join(f"{name} ({target.about})" for name, target in known.items())
            self.fail(f"`{value}` is no form to export to; there are {listed}", param, ctx)
        return known[value]


@click.command("export")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--to", "target", type=Form(), required=True, metavar="TARGET", help="The form to export to."
)
@click.option("--type", "kind", metavar="TYPE", help="The type of the weights, such as q8_0.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write to DIR instead of RUN/export/TARGET.",
)
@click.option("--overwrite", is_flag=True, help="Replace an export that is there.")
@click.option("--trial/--no-trial", default=True, help="Load the result and compare its answers.")
def command(
    run: Path, target: Target, kind: str | None, out: Path | None, overwrite: bool, trial: bool
) -> int:
    """Export the model of RUN, the output_dir of a run that has ended.

    An adapter is merged into its base first. What was written is read back and compared;
    an export that differs, fails or is interrupted leaves nothing behind.

    Exit code: 0 exported, 2 wrong usage, 3 something is missing on this machine, 4 the
    export failed, 130 interrupted.
    """
    if kind is not None and kind not in target.types:
        known = ", ".join(target.types) or "none: it has one form only"
        raise click.UsageError(f"`{kind}` is no type of {target.name}; there are {known}")
    from recipe_runner.execute.exports.export import export
    from recipe_runner.execute.finished import open_run

    finished = open_run(run)
    gc.enable()
    with ending_as_interrupted(), meter() as shown:
        made = export(
            finished,
            target,
            type=kind,
            out=out,
            overwrite=overwrite,
            trial=trial,
            told=teller(),
            meter=shown,
        )
    sys.stdout.write(_page(made, target))
    return 0


class ending_as_interrupted(AbstractContextManager[None]):  # noqa: N801 - used as `with ...()`
    """SIGTERM ends the block as Ctrl-C does: what is half-written is removed."""

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGTERM, signal.default_int_handler)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._before)


def meter() -> AbstractContextManager[Callable[[int, int], None]]:
    """Shows how much of how much is done: a bar on a terminal, nothing elsewhere."""
    if not sys.stdout.isatty():
        return nullcontext(_silent)
    return _Bar()


def _silent(done: int, total: int) -> None:
    del done, total


class _Bar(AbstractContextManager[Callable[[int, int], None]]):
    def __enter__(self) -> Callable[[int, int], None]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress

        console = Console(file=sys.stdout, no_color=not wants_color(sys.stdout))
        self._bar = Progress(
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            console=console,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
            expand=True,
        )
        self._task = self._bar.add_task("tensors", total=None)
        self._bar.start()
        return lambda done, total: self._bar.update(self._task, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def teller() -> Callable[[str], None]:
    """Writes lines to the screen as it is here: libraries print into a log meanwhile."""
    stream = sys.stdout

    def told(text: str) -> None:
        stream.write(f"{text}\n")
        stream.flush()

    return told


def _page(made: Exported, target: Target) -> str:
    from recipe_runner.cli.cache import size
    from recipe_runner.execute.screen import duration

    folder = short_path(str(made.folder))
    lines = [f"Wrote {folder} in {duration(made.seconds)}"]
    wide = max(len(name) for name in made.files)
    lines += [f"  {name:<{wide}}  {size(count)}" for name, count in made.files.items()]
    lines += ["Checked", *(f"  {line}" for line in made.checked)]
    if target.use:
        file = f"{folder}/{next(iter(made.files))}"
        words = target.use.format(folder=folder, file=file)
        if made.variables:
            given = json.dumps(dict(made.variables))
            words = f"{words} {target.variables} {shlex.quote(given)}"
        lines += ["Next", f"  {words}"]
    return "\n".join(lines) + "\n"
