"""`recipe-run train`: check, plan and run a recipe."""

from __future__ import annotations

import gc
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from recipe_runner.cli.machines import measured_machine
from recipe_runner.cli.parameters import allow_code_option, recipe_argument, set_option
from recipe_runner.cli.plan import compiled_for
from recipe_runner.cli.screen import print_errors, seen_from_here, wants_color, width
from recipe_runner.diagnostics import DiagnosticError

if TYPE_CHECKING:
    from recipe_runner.execute.console import Console

Resume = Literal["auto", "never"] | Path


class ResumeFrom(click.ParamType[Resume]):
    """`auto`, `never`, or the folder of a checkpoint."""

    name = "resume"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Resume:
        if value == "auto":
            return "auto"
        if value == "never":
            return "never"
        folder = Path(str(value))
        if not folder.is_dir():
            self.fail(f"`{value}` is neither auto nor never nor a checkpoint's folder", param, ctx)
        return folder


@click.command("train")
@recipe_argument
@set_option
@click.option(
    "--resume",
    type=ResumeFrom(),
    default="auto",
    show_default=True,
    metavar="auto|never|PATH",
    help="Go on from the newest complete checkpoint of the run, or from PATH.",
)
@click.option(
    "--num-processes", type=click.IntRange(1), metavar="N", help="Processes over all machines."
)
@click.option("--overwrite", is_flag=True, help="Delete what the run directory holds, and start.")
@allow_code_option
def command(
    recipe: str,
    overrides: tuple[str, ...],
    resume: Resume,
    num_processes: int | None,
    overwrite: bool,
    allow_code: bool,
) -> int:
    """Check a recipe, plan it for this machine, and run it.

    Ctrl-C saves a checkpoint and ends; the same command goes on from there.

    Exit code: 0 finished, 1 the recipe has errors, 2 wrong usage, 3 something is
    missing on this machine, 4 the run failed, 130 interrupted.
    """
    from recipe_runner.cli.run_page import finished, headline

    compiled = compiled_for(
        recipe,
        measured_machine(),
        overrides=overrides,
        num_processes=num_processes,
        allow_code=allow_code,
    )
    print_errors(compiled.report)
    if compiled.plan is None or compiled.document is None or compiled.resolved is None:
        return 1
    from recipe_runner.compiler.resolved_text import resolved_text
    from recipe_runner.execute.launch import exit_code_of, launch

    color, columns = wants_color(sys.stdout), width()
    sys.stdout.write(headline(compiled.plan, width=columns, color=color) + "\n")
    sys.stdout.flush()
    gc.enable()
    base = (Path.cwd() / compiled.document.path).parent
    try:
        outcome = launch(
            compiled.plan,
            compiled.document.text,
            resolved_text(compiled.resolved, base),
            _console(),
            resume=resume,
            overwrite=overwrite,
            command=sys.argv,
        )
    except DiagnosticError as error:
        print_errors(error.diagnostics)
        return exit_code_of(error)
    again = shlex.join(_without_start(["recipe-run", *sys.argv[1:]]))
    sys.stdout.write("\n" + finished(outcome, compiled.plan, again, width=columns, color=color))
    return outcome.exit_code


def _without_start(arguments: Sequence[str]) -> list[str]:
    """The command line that goes on where this one stopped: without what starts afresh."""
    kept: list[str] = []
    for argument in arguments:
        if kept and kept[-1] == "--resume":
            kept.pop()
        elif argument != "--overwrite" and not argument.startswith("--resume="):
            kept.append(argument)
    return kept


def _console() -> Console:
    """A live bar on a terminal, plain lines elsewhere; both keep the stream they are given."""
    from recipe_runner.diagnostics import Diagnostic, Report
    from recipe_runner.diagnostics.render import text
    from recipe_runner.execute.screen import PlainConsole, TerminalConsole

    color = wants_color(sys.stdout)

    def render(diagnostic: Diagnostic) -> str:
        return text.render(Report((seen_from_here(diagnostic),)), color=color).rstrip("\n")

    if not sys.stdout.isatty():
        return PlainConsole(sys.stdout, render)
    from rich.console import Console as RichConsole

    return TerminalConsole(RichConsole(file=sys.stdout, no_color=not color), render)
