"""`recipe-run calibrate`: measure this machine, so that plans know time, energy and price."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recipe_runner.cli.machines import WrongArgument, machine_at, this_machine
from recipe_runner.cli.parameters import PageFile
from recipe_runner.diagnostics import DiagnosticError

if TYPE_CHECKING:
    from recipe_runner.plan import MachinePlan

_SECONDS = 9.0


@click.command("calibrate", short_help="Measure this machine, for the time in plans.")
@click.option(
    "--output", type=PageFile(), metavar="FILE", help="Write there, and not into the cache."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 600),
    default=_SECONDS,
    metavar="N",
    help=f"Measure for about N seconds ({_SECONDS:.0f} by default).",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was measured as JSON.")
def command(output: Path | None, seconds: float, as_json: bool) -> int:
    """Measure how fast this machine multiplies and copies, and write a machine file.

    `plan` and `train` on this machine find it in the cache; elsewhere
    `plan --machine FILE` takes it. Watts, price and currency that were added to the
    file stay when it is written again.

    Exit code: 0 measured, 2 wrong usage, 3 torch is missing, 130 interrupted.
    """
    from recipe_runner.execute.calibrate import calibrate
    from recipe_runner.execute.machine_file import described, place_of, text_of

    machine = this_machine()
    path = output or place_of(machine)
    # What a person added is read before anything takes time.
    machine = _with_price(machine, path)
    found = calibrate(machine, seconds=seconds, told=_silent if as_json else _told)
    content = described(found.machine, found.measured)
    _write(path, text_of(content))
    if as_json:
        sys.stdout.write(json.dumps({**content, "file": str(path)}, indent=2) + "\n")
    else:
        _told(f"wrote {path}")
    return 0


def _with_price(machine: MachinePlan, path: Path) -> MachinePlan:
    if not path.is_file():
        return machine
    try:
        old = machine_at(str(path))
    except DiagnosticError as error:
        raise WrongArgument(*error.diagnostics) from error
    return replace(
        machine, watts=old.watts, price_per_hour=old.price_per_hour, currency=old.currency
    )


def _write(path: Path, text: str) -> None:
    from recipe_runner.execute.atomic import write_text

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    except OSError as error:
        raise click.UsageError(f"`{path}` cannot be written: {error.strerror}") from error


def _told(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _silent(line: str) -> None:
    del line
