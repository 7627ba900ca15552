"""`recipe-run schema`: the JSON Schema that editors and other tools read."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click


@click.command("schema")
@click.option(
    "--output",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write it to a file, whole or not at all, instead of printing it.",
)
def command(output: str | None) -> int:
    """Print the JSON Schema of recipes, for editors and validators.

    An editor with a YAML language server completes and checks a recipe whose first
    line is:  # yaml-language-server: $schema=FILE
    """
    text = schema_text()
    if output is None:
        sys.stdout.write(text)
    else:
        write_schema(Path(output), text)
    return 0


def schema_text() -> str:
    """The schema as the text of a file."""
    from recipe_runner.recipe.json_schema import json_schema

    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def write_schema(path: Path, text: str) -> None:
    """Put the schema's text into a file. A path that cannot be written is wrong usage."""
    from recipe_runner.execute import atomic

    try:
        atomic.write_text(path, text)
    except OSError as error:
        raise click.UsageError(f"`{path}` cannot be written: {error.strerror}") from error
