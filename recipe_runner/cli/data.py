"""`recipe-run data stats`: what the data of a recipe look like once they are tokens."""

from __future__ import annotations

import gc
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recipe_runner.cli.machines import this_machine
from recipe_runner.cli.parameters import (
    allow_code_option,
    html_option,
    recipe_argument,
    set_option,
    write_page,
)
from recipe_runner.cli.plan import compiled_for
from recipe_runner.cli.screen import print_errors, wants_color, width
from recipe_runner.diagnostics import DiagnosticError

if TYPE_CHECKING:
    from recipe_runner.compiler.resolved import ResolvedRecipe
    from recipe_runner.execute.stats import DataStats
    from recipe_runner.plan import Plan


@click.group("data")
def command() -> None:
    """Look at the data of a recipe."""


@command.command("stats")
@recipe_argument
@html_option
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@set_option
@allow_code_option
def stats(
    recipe: str, html: Path | None, as_json: bool, overrides: tuple[str, ...], allow_code: bool
) -> int:
    """Show lengths, what a max_length would cut, padding and repeats.

    The data are prepared first, or found in the cache. Suggests a max_length.
    """
    compiled = compiled_for(recipe, this_machine(), overrides=overrides, allow_code=allow_code)
    print_errors(compiled.report)
    if compiled.plan is None or compiled.resolved is None:
        return 1
    if compiled.plan.data.streaming:
        raise click.UsageError(
            "`data.streaming` is true, and a stream has no figures before it is read; "
            "`--set data.streaming=false` prepares it"
        )
    try:
        figures = _measured(compiled.plan, _context(compiled.resolved))
    except DiagnosticError as error:
        from recipe_runner.execute.launch import exit_code_of

        print_errors(error.diagnostics)
        return exit_code_of(error)
    if html is not None:
        from recipe_runner.cli import stats_html

        write_page(html, stats_html.render(figures), aside=as_json)
    if as_json:
        sys.stdout.write(json.dumps(asdict(figures), indent=2, ensure_ascii=False) + "\n")
    elif html is None:
        from recipe_runner.cli.stats_page import page

        blocks = _shows_blocks(sys.stdout.encoding)
        color = wants_color(sys.stdout)
        sys.stdout.write(page(figures, width=width(), color=color, blocks=blocks))
    return 0


def _context(resolved: ResolvedRecipe) -> int | None:
    """The longest input of the model in tokens, as the recipe leaves it."""
    stated = resolved.recipe.model.config_overrides.get("max_position_embeddings")
    model = resolved.around.model
    return stated if isinstance(stated, int) else model.context_length if model else None


def _measured(plan: Plan, context: int | None) -> DataStats:
    from recipe_runner.execute.data.prepare import receipt
    from recipe_runner.execute.data.stage import prepare_alone
    from recipe_runner.execute.data.telling import Told, warnings
    from recipe_runner.execute.screen import PlainConsole
    from recipe_runner.execute.stats import measure

    gc.enable()
    # What `--json` prints is read by a program: progress goes to the other stream.
    told = Told(PlainConsole(sys.stderr))
    ensured = prepare_alone(plan, progress=told, told=None)
    made = receipt(plan, ensured)
    print_errors(warnings(plan, made))
    return measure(plan, ensured.entry, made, context=context)


def _shows_blocks(encoding: str | None) -> bool:
    try:
        "\u2588\u258f".encode(encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
