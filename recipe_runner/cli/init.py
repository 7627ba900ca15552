"""`recipe-run init`: a commented recipe from a few answers or flags, never over another file."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from recipe_runner.cli.schema import schema_text, write_schema
from recipe_runner.cli.screen import print_errors

DEFAULT_FILE = "recipe.yaml"
NONE = "none"
_SCHEMA_NAME = "recipe-v1.schema.json"


@click.command("init")
@click.argument("file", default=DEFAULT_FILE, type=click.Path(), metavar="[FILE]")
@click.option("--model", metavar="ID", help="Hub id or folder of the model.")
@click.option("--data", metavar="PATH", help="File, folder or hub id of the training rows.")
@click.option("--adapter", metavar="NAME", help="Such as lora, or none to train the model in full.")
@click.option("--quantization", metavar="NAME", help="Such as bnb_4bit, or none.")
@click.option("--output-dir", metavar="PATH", help="Folder of the run.")
@click.option("--yes", is_flag=True, help="Ask nothing: take the default for what is not given.")
def command(
    file: str,
    model: str | None,
    data: str | None,
    adapter: str | None,
    quantization: str | None,
    output_dir: str | None,
    yes: bool,
) -> int:
    """Write a commented recipe to FILE (recipe.yaml), never over another file.

    On a terminal it asks for what the options leave open. A JSON Schema goes
    beside the recipe, so that an editor completes and checks it.
    """
    from recipe_runner.cli.starter import Answers, axis, default_of, starter

    path = Path(file)
    if path.exists():
        raise click.UsageError(f"`{file}` is there already; name another file, or delete it")
    if not path.parent.is_dir():
        raise click.UsageError(f"there is no folder `{path.parent}`")
    ask = _asker(yes=yes)
    adapters, quantizations = axis("adapter"), axis("quantization")
    model = model or ask("Model (hub id or folder)", "Qwen/Qwen3-0.6B", None)
    data = data or ask("Training data (file, folder or hub id)", "data/chat.jsonl", None)
    adapter = _chosen("adapter", adapter, adapters) or ask(
        "Adapter", default_of(adapters), [*adapters, NONE]
    )
    quantization = _chosen("quantization", quantization, quantizations) or (
        NONE if adapter == NONE else ask("Quantization", NONE, [*quantizations, NONE])
    )
    if adapter == NONE and quantization != NONE:
        raise click.UsageError("weights that are quantized cannot train: choose an adapter too")
    output_dir = output_dir or ask("Folder of the run", f"runs/{path.stem}", None)
    answers = Answers(
        file=path.name,
        schema=_schema_beside(path.parent),
        model=_from(path.parent, model),
        data=_from(path.parent, data),
        adapter=None if adapter == NONE else adapter,
        quantization=None if quantization == NONE else quantization,
        output_dir=output_dir,
    )
    _write(path, starter(answers))
    _tell(path)
    _check(path)
    return 0


def _asker(*, yes: bool) -> Callable[[str, str, list[str] | None], str]:
    """Asks on a terminal; takes the default elsewhere."""

    def ask(question: str, default: str, choices: list[str] | None) -> str:
        if yes or not sys.stdin.isatty():
            return default
        kind = click.Choice(choices) if choices else str
        return str(click.prompt(question, default=default, type=kind, err=True))

    return ask


def _chosen(option: str, value: str | None, known: Mapping[str, object]) -> str | None:
    if value is not None and value != NONE and value not in known:
        raise click.UsageError(f"--{option} is {value}; there are {', '.join([*known, NONE])}")
    return value


def _from(folder: Path, path: str) -> str:
    """A path that exists, as seen from the recipe's folder; anything else as it is."""
    if not Path(path).exists() or Path(path).is_absolute():
        return path
    seen = os.path.relpath(path, folder)
    # A bare word could also be a hub id; `./` says that it is a folder.
    return f"./{seen}" if Path(path).is_dir() and not seen.startswith(".") else seen


def _schema_beside(folder: Path) -> str:
    """The path of a schema as seen from `folder`; one is written there where none is near."""
    for above in (folder.absolute(), *folder.absolute().parents):
        if (near := above / "schemas" / _SCHEMA_NAME).is_file():
            return os.path.relpath(near, folder)
    if not (folder / _SCHEMA_NAME).exists():
        write_schema(folder / _SCHEMA_NAME, schema_text())
    return _SCHEMA_NAME


def _write(path: Path, text: str) -> None:
    try:
        # "x" fails where another program made the file since we looked.
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise click.UsageError(f"`{path}` cannot be written: {error.strerror}") from error


def _tell(path: Path) -> None:
    name = shlex.quote(str(path))
    click.echo(f"wrote {path}")
    click.echo(f"next: recipe-run check {name}")
    click.echo(f"      recipe-run plan {name} --why")
    click.echo(f"      recipe-run train {name}")


def _check(path: Path) -> None:
    """What is still to do, such as putting the data where the recipe says."""
    from recipe_runner.pipeline import compile_file

    print_errors(compile_file(str(path), None).report)
