"""`recipe-run explain`: the page of a code, of a key, or of a component."""

from __future__ import annotations

import difflib
import sys

import click
from click.shell_completion import CompletionItem

from recipe_runner.cli.screen import wants_color, width


def _complete(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from recipe_runner.cli.topics import names

    wanted = incomplete.lower()
    return [CompletionItem(name) for name in names() if name.lower().startswith(wanted)]


# `\b` keeps click from joining the lines.
HELP = """\
Explain a code, a key of recipes, or a component.

\b
recipe-run explain RR201
recipe-run explain training.learning_rate
recipe-run explain lora

Without an argument: everything there is to explain.
"""


@click.command("explain", help=HELP)
@click.argument("topic", required=False, metavar="[CODE|KEY|COMPONENT]", shell_complete=_complete)
def command(topic: str | None) -> int:
    """Explain a code, a key of recipes, or a component."""
    from recipe_runner.cli.topics import names, overview, page

    if topic is None:
        sys.stdout.write(overview(width()))
        return 0
    text = page(topic)
    if text is None:
        known = {name.lower(): name for name in names()}
        near = [known[n] for n in difflib.get_close_matches(topic.lower(), known, n=3)]
        hint = f"did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else ""
        raise click.UsageError(
            f"`{topic}` is no code, key or component; "
            f"{hint or '`recipe-run explain` lists all of them'}"
        )
    _print(text)
    return 0


def _print(markdown: str) -> None:
    """Markdown as it is, or rendered where a terminal shows it."""
    if not sys.stdout.isatty():
        sys.stdout.write(markdown)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console(file=sys.stdout, width=width(), no_color=not wants_color(sys.stdout)).print(
        Markdown(markdown)
    )
