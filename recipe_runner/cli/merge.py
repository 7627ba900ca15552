"""`recipe-run merge`: make the adapter of a run part of its base's weights."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recipe_runner.cli.export import ending_as_interrupted, meter, teller
from recipe_runner.cli.layout import short_path

if TYPE_CHECKING:
    from recipe_runner.execute.merge import Merged

_EVERY = 10.0
"""Seconds between two lines about how far it is, where there is no terminal for a bar."""


@click.command("merge")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write to DIR instead of RUN/merged.",
)
@click.option(
    "--base",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="DIR",
    help="Take the base from DIR: it has moved.",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16"]),
    help="The type of the result; else the run's.",
)
@click.option("--dequantize", is_flag=True, help="Allow a base that is quantized on disk.")
@click.option("--verify/--no-verify", default=True, help="Compare the answers afterwards.")
@click.option("--overwrite", is_flag=True, help="Replace a merged model that is there.")
@click.option("--allow-code", is_flag=True, help="Allow Python code of the model.")
@click.option("--json", "as_json", is_flag=True, help="Print what was made as JSON.")
def command(
    run: Path,
    out: Path | None,
    base: Path | None,
    dtype: str | None,
    dequantize: bool,
    verify: bool,
    overwrite: bool,
    allow_code: bool,
    as_json: bool,
) -> int:
    """Merge the adapter of RUN, the output_dir of a run that has ended, into its base.

    One layer at a time is in memory. The result is read back and compared; one that
    differs, fails or is interrupted leaves nothing behind.

    Exit code: 0 merged, 2 wrong usage, 3 no such run, 4 the merge failed, 130 interrupted.
    """
    from recipe_runner.execute.finished import open_run
    from recipe_runner.execute.merge import Wish, merge

    finished = open_run(run)
    gc.enable()
    with ending_as_interrupted(), nullcontext(_nothing) if as_json else _meter() as shown:
        made = merge(
            finished,
            Wish(base, dtype, dequantize, verify, allow_code),
            out=out,
            overwrite=overwrite,
            told=_silent if as_json else teller(),
            meter=shown,
        )
    sys.stdout.write(_json(made) if as_json else _page(made))
    return 0


def _meter() -> AbstractContextManager[Callable[[int, int], None]]:
    return meter() if sys.stdout.isatty() else nullcontext(_Lines(teller()))


class _Lines:
    """Says now and then how many weights are written."""

    def __init__(self, told: Callable[[str], None]) -> None:
        self._told = told
        self._last: float | None = None

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._last is None:
            self._last = now
        elif now - self._last >= _EVERY:
            self._last = now
            self._told(f"{done:,} of {total:,} weights")


def _nothing(done: int, total: int) -> None: ...


def _silent(text: str) -> None: ...


def _page(made: Merged) -> str:
    from recipe_runner.cli.cache import size
    from recipe_runner.execute.merge import checked
    from recipe_runner.execute.screen import duration

    folder = short_path(str(made.folder))
    lines = [f"Wrote {folder} in {duration(made.seconds)}"]
    wide = max(len(name) for name in made.files)
    lines += [f"  {name:<{wide}}  {size(count)}" for name, count in made.files.items()]
    lines += [
        "Checked" if made.compared else "Not checked",
        f"  {checked(made.compared, made.dtype)}",
    ]
    if made.compared is not None and made.compared.drowned:
        lines.append(
            f"  rounding to {made.dtype} moves the answers more than the adapter does: "
            "--dtype float32 keeps what it learnt"
        )
    lines += ["Next", f"  in a recipe: `model: {folder}`"]
    return "\n".join(lines) + "\n"


def _json(made: Merged) -> str:
    values = {
        "folder": str(made.folder),
        "files": dict(made.files),
        "dtype": made.dtype,
        "compared": None if made.compared is None else asdict(made.compared),
        "seconds": made.seconds,
    }
    return json.dumps(values, indent=2) + "\n"
