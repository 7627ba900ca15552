"""`recipe-run completion`: what a shell needs to complete commands, options and keys."""

from __future__ import annotations

import sys

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


# `\b` keeps click from joining the lines.
HELP = """\
Print the completion script of a shell.

\b
bash:  eval "$(recipe-run completion bash)"   in ~/.bashrc
zsh:   eval "$(recipe-run completion zsh)"    in ~/.zshrc
fish:  recipe-run completion fish | source    in ~/.config/fish/config.fish
"""


@click.command("completion", help=HELP)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    assert kind is not None, f"click knows {shell}"
    program = ctx.find_root().info_name or "recipe-run"
    script = kind(ctx.find_root().command, {}, program, "_RECIPE_RUN_COMPLETE").source()
    sys.stdout.write(script + "\n")
    return 0
