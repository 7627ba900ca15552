"""`recipe-run chat`: talk to what a run made."""

from __future__ import annotations

import gc
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recipe_runner.cli.asking import asking_options, run_that_answers, sampling_of, wants_raw
from recipe_runner.cli.screen import wants_color, width

if TYPE_CHECKING:
    from recipe_runner.execute.finished import FinishedRun


@click.command("chat")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--system", metavar="TEXT", help="A system turn before the first question.")
@click.option(
    "--adapter",
    type=click.Choice(["on", "off"]),
    default="on",
    metavar="SIDE",
    help="on, or off to begin with the base alone.",
)
@asking_options
@click.option("--print-vllm", is_flag=True, help="Print the command that serves it with vLLM.")
def command(
    run: Path, system: str | None, adapter: str, merged: bool, print_vllm: bool, **values: Any
) -> int:
    """Talk to the model of RUN, the output_dir of a run that has ended.

    Without a terminal each line of the input is a question, and the output is the
    answers and nothing else.

    Exit code: 0 ended, 2 wrong usage, 3 something is missing, 4 the model failed.
    """
    sampling = sampling_of(values)
    finished = run_that_answers(run, merged=merged)
    if print_vllm:
        sys.stdout.write(_served(finished, run, merged) + "\n")
        return 0
    from recipe_runner.cli.chat_terminal import Terminal
    from recipe_runner.execute.answering.conversation import Conversation
    from recipe_runner.execute.answering.quiet import Quiet
    from recipe_runner.execute.answering.sides import Sides

    sides = Sides(finished, merged, values["dtype"], allow_code=values["allow_code"])
    raw = wants_raw(finished, values["raw"])
    talk = Conversation(sides, sampling, raw, adapted=adapter == "on", system=system)
    with Quiet(finished) as quiet:
        gc.enable()
        terminal = Terminal(talk, quiet, sys.stdout, color=wants_color(sys.stdout), width=width())
        if sys.stdin.isatty() and sys.stdout.isatty():
            return terminal.talk()
        return terminal.answer_lines(sys.stdin.buffer)


def _served(finished: FinishedRun, run: Path, merged: bool) -> str:
    from recipe_runner.execute.answering.servable import vllm_command

    words = vllm_command(finished, run / ("merged" if merged else "model"), merged=merged)
    return shlex.join(words)
