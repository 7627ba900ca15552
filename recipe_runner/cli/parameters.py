"""The arguments that several commands take, each declared once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from recipe_runner.plan import MachinePlan


class Recipe(click.Path):
    """A recipe's path, or `-` for standard input. Whether it is there is a diagnostic, not usage."""

    name = "recipe"

    def __init__(self) -> None:
        super().__init__(allow_dash=True)


recipe_argument = click.argument("recipe", type=Recipe())


def _complete_keys(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from recipe_runner.recipe.fields import all_paths

    return [CompletionItem(f"{path}=") for path in all_paths() if path.startswith(incomplete)]


set_option = click.option(
    "--set",
    "overrides",
    metavar="PATH=VALUE",
    multiple=True,
    shell_complete=_complete_keys,
    help="Replace a value of the recipe, such as training.max_steps=100; repeatable.",
)

allow_code_option = click.option(
    "--allow-code",
    is_flag=True,
    help="Allow the Python code that the recipe asks for; read it first.",
)


def machine_option(help: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """`--machine NAME`, with a help text that says what counts without it."""
    return click.option("--machine", "machine_name", metavar="NAME", help=help)


def machine_named(name: str | None) -> MachinePlan | None:
    """The machine of that name. Raises `DiagnosticError` with RR415."""
    if name is None:
        return None
    from recipe_runner.compiler.machine import machine

    return machine(name)
