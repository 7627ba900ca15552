"""The arguments that several commands take, each declared once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Recipe(click.Path):
    """A recipe's path, or `-` for standard input. Whether it is there is a diagnostic, not usage."""

    name = "recipe"

    def __init__(self) -> None:
        super().__init__(allow_dash=True)


recipe_argument = click.argument("recipe", type=Recipe())


class PageFile(click.ParamType[Path]):
    """A file to write, refused before the work whose result would go there."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value)
        if path.is_dir():
            self.fail(f"`{path}` is a folder", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"there is no folder `{path.parent}`", param, ctx)
        return path


html_option = click.option(
    "--html", type=PageFile(), metavar="FILE", help="Write a page for a browser."
)


def write_page(path: Path, text: str, *, aside: bool) -> None:
    """Write the page of `--html` and say so; `aside` where standard output holds JSON."""
    from recipe_runner.execute.atomic import write_text

    try:
        write_text(path, text)
    except OSError as error:
        raise click.UsageError(f"`{path}` cannot be written: {error.strerror}") from error
    click.echo(f"wrote {path}", err=aside)


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
    return click.option("--machine", "machine_name", metavar="NAME|FILE", help=help)
