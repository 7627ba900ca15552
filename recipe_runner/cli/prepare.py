"""`recipe-run prepare`: rows become tokens, before anything else of a run starts."""

from __future__ import annotations

import gc
import json
import signal
import sys
from typing import IO, TYPE_CHECKING, Any

import click

from recipe_runner.cli.machines import machine_named, this_machine
from recipe_runner.cli.parameters import (
    allow_code_option,
    machine_option,
    recipe_argument,
    set_option,
)
from recipe_runner.cli.plan import compiled_for
from recipe_runner.cli.screen import print_errors, wants_color, width
from recipe_runner.diagnostics import Diagnostic, DiagnosticError

if TYPE_CHECKING:
    from recipe_runner.execute.data.build import ProgressSink
    from recipe_runner.execute.data.explain import Explanation


@click.command("prepare")
@recipe_argument
@set_option
@machine_option("Prepare for a machine such as 8xH100-80GB or cpu instead of this one.")
@click.option("--explain-cache", is_flag=True, help="Say why the cache has the data, or has not.")
@click.option("--json", "as_json", is_flag=True, help="Print the receipt's JSON and nothing else.")
@allow_code_option
def command(
    recipe: str,
    overrides: tuple[str, ...],
    machine_name: str | None,
    explain_cache: bool,
    as_json: bool,
    allow_code: bool,
) -> int:
    """Read, format, tokenize, mask, filter and pack the data of a recipe, with all cores.

    The result is kept in the cache, where `train` finds it. Nothing is trained, and no
    GPU is needed.

    Exit code: 0 prepared, 1 the recipe has errors, 2 wrong usage, 3 the data or this
    machine does not allow it, 4 it failed, 130 interrupted.
    """
    compiled = compiled_for(
        recipe,
        machine_named(machine_name) or this_machine(),
        overrides=overrides,
        allow_code=allow_code,
    )
    print_errors(compiled.report)
    if compiled.plan is None:
        return 1
    from recipe_runner.execute.data.streamed import prepared_part

    plan = prepared_part(compiled.plan)
    if plan is None:
        sys.stdout.write("null\n" if as_json else "The rows stream: there is nothing to prepare.\n")
        return 0
    from recipe_runner.cli.prepare_page import as_json as receipt_json
    from recipe_runner.cli.prepare_page import heading, page
    from recipe_runner.execute.data.prepare import receipt
    from recipe_runner.execute.data.stage import prepare_alone
    from recipe_runner.execute.data.telling import warnings
    from recipe_runner.execute.launch import exit_code_of

    color = wants_color(sys.stdout)
    if not as_json:
        sys.stdout.write(heading(plan.name, color))
        sys.stdout.flush()
    gc.enable()
    # As Ctrl-C does: what is half-written is removed.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    meter = None if as_json else _meter(sys.stdout)
    odd: list[Diagnostic] = []
    try:
        ensured = prepare_alone(
            plan,
            progress=meter,
            told=_explained(sys.stdout) if explain_cache and not as_json else None,
            # Of rows that stream, only those to evaluate on are left in the plan.
            warn=odd.append if plan is compiled.plan else None,
        )
    except DiagnosticError as error:
        print_errors(error.diagnostics)
        return exit_code_of(error)
    finally:
        signal.signal(signal.SIGTERM, before)
        if meter is not None:
            meter.close()
    made = receipt(plan, ensured)
    print_errors([*odd, *warnings(plan, made)])
    if as_json:
        text = json.dumps(receipt_json(ensured, made), indent=2, ensure_ascii=False)
        sys.stdout.write(text + "\n")
    else:
        sys.stdout.write(page(plan, ensured, made, width=width(), color=color))
    return 0


def _explained(stream: IO[str]) -> Any:
    """Writes an explanation where it is made, before anything is prepared."""

    def told(explanation: Explanation) -> None:
        stream.write("".join(f"  {line}\n" for line in explanation.lines()))
        stream.flush()

    return told


class Meter:
    """Shows how far preparing is: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, sink: ProgressSink, bar: Any = None) -> None:
        self._sink = sink
        self._bar = bar

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` rows are prepared."""
        self._sink(done, total)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


def _meter(stream: IO[str]) -> Meter:
    # Libraries print into a log meanwhile: both keep the stream they are given.
    from recipe_runner.execute.screen import PlainConsole

    if stream.isatty():
        from rich.console import Console

        from recipe_runner.cli.prepare_bar import RowsBar

        bar = RowsBar(Console(file=stream, no_color=not wants_color(stream)))
        return Meter(bar, bar)
    from recipe_runner.execute.data.telling import Told

    return Meter(Told(PlainConsole(stream)))
