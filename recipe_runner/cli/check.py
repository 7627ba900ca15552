"""`recipe-run check`: everything that is wrong with recipes, in one go."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from recipe_runner.cli.machines import machine_named
from recipe_runner.cli.parameters import (
    Recipe,
    allow_code_option,
    machine_option,
    set_option,
)
from recipe_runner.cli.screen import print_report
from recipe_runner.diagnostics import Report
from recipe_runner.diagnostics.render import text

SUFFIXES = (".yaml", ".yml")
_RUN_FILES = frozenset({"plan.json", "run.json"})
"""What tells a run directory: the recipe in it is a copy, and its other YAML is no recipe."""
_MODULES = {"json": "as_json", "github": "github", "sarif": "sarif"}


@click.command("check")
@click.argument("recipes", nargs=-1, required=True, type=Recipe(), metavar="RECIPE...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", *_MODULES]),
    default="text",
    metavar="FORM",
    help="Print as text (the default), json, github or sarif.",
)
@machine_option("Check against a machine too, such as 8xH100-80GB or cpu.")
@set_option
@allow_code_option
@click.option("--all-rows", is_flag=True, help="Read every row of local data, not the first 1,000.")
def command(
    recipes: tuple[str, ...],
    form: str,
    machine_name: str | None,
    overrides: tuple[str, ...],
    allow_code: bool,
    all_rows: bool,
) -> int:
    """Tell everything that is wrong with recipes, each with its place and its fix.

    RECIPE is a file, a folder (all *.yaml and *.yml below it, without runs), or -
    for standard input. Without --machine the answer is the same everywhere: the
    recipe is checked for a machine that has what it asks for. Nothing is run or
    downloaded.

    Exit code: 0 without errors, 1 with errors, 2 for wrong usage.
    """
    machine = machine_named(machine_name)
    files = list(dict.fromkeys(found(recipes)))
    from recipe_runner.pipeline import compile_file

    report = Report()
    for file in files:
        compiled = compile_file(
            file,
            machine,
            overrides=overrides,
            allow_code=allow_code,
            all_rows=all_rows,
            stdin=sys.stdin,
        )
        report += compiled.report
    if form == "text":
        print_report(report, sys.stdout)
        sys.stdout.write(text.summary(report, len(files)) + "\n")
    else:
        renderer = importlib.import_module(f"recipe_runner.diagnostics.render.{_MODULES[form]}")
        sys.stdout.write(renderer.render(report))
    return 0 if report.ok else 1


def found(paths: Iterable[str]) -> Iterator[str]:
    """The recipe files that `paths` mean: a folder stands for the YAML files below it."""
    for path in paths:
        if not Path(path).is_dir():
            yield path
            continue
        inside = sorted(_below(Path(path)))
        if not inside:
            raise click.UsageError(f"`{path}` holds no file that ends with .yaml or .yml")
        yield from inside


def _below(folder: Path) -> Iterator[str]:
    """YAML files, leaving out hidden folders and runs; links to folders are not followed."""
    for base, folders, files in os.walk(folder):
        if _RUN_FILES.issubset(files):
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (
            str(Path(base) / name)
            for name in files
            if name.endswith(SUFFIXES) and not name.startswith(".")
        )
