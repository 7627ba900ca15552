"""The root command, and the outermost layer: whatever happens below ends as an exit code.

0 fine, 1 the recipe has errors, 2 wrong usage, 3 environment, 4 the run failed,
130 interrupted, 141 the reader of a pipe went away.
"""

from __future__ import annotations

import gc
import importlib
import io
import os
import sys
from collections.abc import Sequence

import click

from recipe_runner import __version__
from recipe_runner.cli.machines import WrongArgument
from recipe_runner.cli.screen import print_errors
from recipe_runner.diagnostics import DiagnosticError

PROGRAM = "recipe-run"

USAGE = 2
INTERRUPTED = 130
PIPE_CLOSED = 141

COMMANDS = {
    "check": "Tell everything that is wrong with recipes.",
    "plan": "Show what a recipe would run, and why.",
    "calibrate": "Measure this machine, for the time in plans.",
    "preview": "Show rows as the model sees them.",
    "prepare": "Turn the rows of a recipe into tokens, and keep them.",
    "train": "Check, plan and run a recipe.",
    "chat": "Talk to the model of a run.",
    "generate": "Answer a file of prompts with the model of a run.",
    "merge": "Make the adapter of a run part of its base's weights.",
    "export": "Turn the model of a run into what other programs load.",
    "push": "Upload the model of a run to the hub.",
    "data": "Show lengths, padding, sources and repeats of the data.",
    "cache": "Show, check and remove prepared data.",
    "explain": "Explain a code, a key or a component.",
    "init": "Write a commented recipe to start from.",
    "schema": "Print the JSON Schema of recipes.",
    "completion": "Print the completion script of a shell.",
}
"""Each command with its summary; the command itself is `command` in the module of its name."""


class ReaderGone(Exception):
    """The program that reads our output ended. Click would take a `BrokenPipeError` for itself."""


class Commands(click.Group):
    """A group that imports a command when it is used; its help imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"recipe_runner.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        # The list of commands fills a screen, and who reads it has found the option.
        option = super().get_help_option(ctx)
        assert isinstance(option, click.Option)
        option.hidden = True
        return option

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderGone from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(COMMANDS)}"
            raise click.UsageError(f"there is no command `{args[0]}`; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s", hidden=True)
def root() -> None:
    """Fine-tune language models from one YAML file: init, plan, train, chat.

    With --version, say which version this is.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (without the program's name) and return its exit code."""
    # Most commands end before collecting garbage would pay; `train` turns it on again.
    gc.disable()
    # Plugins of pydantic are code of other packages, and looking for them takes time.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Messages quote recipes and paths, which a narrow locale cannot always encode.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except (BrokenPipeError, ReaderGone):
        # The interpreter flushes stdout once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    return code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = root.main(arguments, prog_name=PROGRAM, standalone_mode=False)
    except click.UsageError as error:
        _print_usage(error)
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except DiagnosticError as error:
        print_errors(error.diagnostics)
        return exit_code_of(error)
    except ReaderGone:
        raise
    except Exception as error:  # noqa: BLE001 the only place that stops every exception
        from recipe_runner.cli.crash import crashed

        finding = crashed(error, sys.argv[1:] if arguments is None else arguments)
        print_errors([finding])
        return exit_code_of(DiagnosticError(finding))
    return code if isinstance(code, int) else 0


def exit_code_of(error: DiagnosticError) -> int:
    """The exit code of a command that these diagnostics ended: the gravest one counts."""
    codes = {diagnostic.code.id[:3] for diagnostic in error.diagnostics}
    if codes & {"RR7", "RR9"}:
        return 4
    if "RR6" in codes:
        return 3
    return USAGE if isinstance(error, WrongArgument) else 1


def _print_usage(error: click.UsageError) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return
    command = error.ctx.command_path if error.ctx else PROGRAM
    click.echo(f"{command}: {error.format_message()}", err=True)
    click.echo(f"`{command} --help` lists what it takes", err=True)
