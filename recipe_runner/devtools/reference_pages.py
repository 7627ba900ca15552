"""Writes the reference of recipes, of components and of the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from recipe_runner.cli.app import PROGRAM, root
from recipe_runner.cli.value_text import default_text, takes
from recipe_runner.components.algorithm import Algorithm
from recipe_runner.components.base import OWN, Component, discover
from recipe_runner.components.lever import Lever
from recipe_runner.devtools.markdown import GENERATED, sentences, table
from recipe_runner.recipe.fields import SchemaField, all_paths
from recipe_runner.recipe.json_schema import axis_of, definition_name, description, json_schema
from recipe_runner.recipe.schema import Recipe
from recipe_runner.recipe.training import Training
from recipe_runner.syntax import parse
from recipe_runner.upstream import fields

FOLDERS = (Path("docs/reference/components"),)
_REFERENCE = Path("docs/reference")
_ROOT = Path(__file__).resolve().parents[2]

_RECIPE = """# Recipe

Every key of a recipe, by section.
`recipe-run explain training.learning_rate` shows one key in a terminal.
A key without a default is required.
The last column names the upstream argument that a key becomes under its own name.
"""
_CLI = """# Command line

The help of each command, as `--help` prints it.
"""
_TRAINING_TARGET = "trl:SFTConfig"
_HELP_WIDTH = 90

Properties = Mapping[str, Mapping[str, Any]]


def artefacts() -> dict[Path, str]:
    """`recipe.md`, `cli.md`, and a page per axis of components."""
    pages = {_REFERENCE / "recipe.md": _recipe_page(), _REFERENCE / "cli.md": _cli_page()}
    for axis, (paths, kinds) in _axes().items():
        pages[FOLDERS[0] / f"{axis.__name__.lower()}.md"] = _axis_page(axis, paths, kinds)
    # A recipe names each lever by a key of its own, and not as a choice.
    levers = tuple(discover("recipe_runner.components.levers").values())
    pages[FOLDERS[0] / "lever.md"] = _axis_page(Lever, ["speed"], levers)
    return pages


def _recipe_page() -> str:
    parts = [_RECIPE, "## Top level\n", _table(Recipe)]
    for path, model in _sections():
        parts += [f"## `{path}`\n", sentences(description(model)), _table(model)]
    return GENERATED + "\n".join(parts)


def _sections() -> Iterator[tuple[str, type[BaseModel]]]:
    """The sections that are no choice, each with the first path that leads to it."""
    seen: set[type[BaseModel]] = set()
    for path, field in all_paths().items():
        for section in field.sections:
            if not issubclass(section, Component) and section not in seen:
                seen.add(section)
                yield path, section


def _axes() -> dict[type[Component], tuple[list[str], tuple[type[Component], ...]]]:
    axes: dict[type[Component], tuple[list[str], tuple[type[Component], ...]]] = {}
    for path, field in all_paths().items():
        kinds = tuple(s for s in field.sections if issubclass(s, Component))
        axis = axis_of(kinds[0]) if kinds else None
        if axis is not None:
            axes.setdefault(axis, ([], kinds))[0].append(path)
    return axes


def _axis_page(axis: type[Component], paths: list[str], kinds: tuple[type[Component], ...]) -> str:
    named = ", ".join(f"`{path}`" for path in paths)
    parts = [f"# {axis.__name__}\n", f"What {named} can name.\n"]
    for kind in kinds:
        parts += [f"## `{kind.type_name()}`\n", sentences(description(kind))]
        if kind.snippet:
            parts.append(f"```yaml\n{kind.snippet}\n```\n")
        if issubclass(kind, Algorithm):
            parts += _learning(kind)
        if issubclass(kind, Lever):
            parts.append(f"Gain: {kind.gain}.\n")
        if len(kind.model_fields) > 1:
            parts.append(_table(kind))
    return GENERATED + "\n".join(parts)


def _learning(kind: type[Algorithm]) -> Iterator[str]:
    """What is particular to an algorithm: its loss, its rows, its recipes."""
    if kind.experimental:
        yield "Its trainer is experimental upstream: it may change with any release of TRL.\n"
    if kind.equation:
        yield f"The loss:\n\n```text\n{kind.equation}\n```\n"
    shapes = ", ".join(f"`{shape}`" for shape in kind.example_shapes)
    rows = "\n".join(json.dumps(row, ensure_ascii=False) for row in kind.sample_rows)
    yield f"Data: {shapes} examples, such as\n\n```jsonl\n{rows}\n```\n"
    recipes = [f"[{path}](../../../{path})" for path in _recipes().get(kind.type_name(), ())]
    if recipes:
        yield f"Recipes: {', '.join(recipes)}.\n"


@cache
def _recipes() -> Mapping[str, list[str]]:
    """The shipped recipes by the algorithm that they name."""
    found: dict[str, list[str]] = {}
    for folder in ("recipes", "examples"):
        for path in sorted((_ROOT / folder).rglob("*.yaml")):
            document, _ = parse(path.read_text(encoding="utf-8"), str(path))
            named = document.value.get("algorithm") if document is not None else None
            name = named.get("type") if isinstance(named, Mapping) else named
            found.setdefault(str(name), []).append(str(path.relative_to(_ROOT)))
    return found


def _table(model: type[BaseModel]) -> str:
    rows = []
    for name, schema in _properties(model).items():
        if name == "type" and issubclass(model, Component):
            continue
        field = SchemaField(model, name)
        default = default_text(schema, required=field.info.is_required())
        default = "" if field.info.is_required() else default
        rows.append((f"`{name}`", takes(schema), default, field.description, _upstream(field)))
    return table(("Key", "Takes", "Default", "What it does", "Upstream"), rows)


@cache
def _schema() -> dict[str, Any]:
    return json_schema()


def _properties(model: type[BaseModel]) -> Properties:
    schema = _schema()
    found = schema if model is Recipe else schema["$defs"][definition_name(model)]
    properties: Properties = found["properties"]
    return properties


def _upstream(field: SchemaField) -> str:
    """The argument of the same name that the field is copied to, if it is."""
    target = _TRAINING_TARGET if field.model is Training else None
    if issubclass(field.model, Component):
        target = field.model.upstream
    if target is None or OWN in field.info.metadata or field.name not in fields(target):
        return ""
    return f"`{target.partition(':')[2]}.{field.name}`"


def _cli_page() -> str:
    parts = [_CLI]
    for path, command in _commands((PROGRAM,), root):
        context = click.Context(command, info_name=" ".join(path), **_CONTEXT)
        parts.append(f"## {' '.join(path)}\n\n```text\n{command.get_help(context)}\n```\n")
    return GENERATED + "\n".join(parts)


_CONTEXT: dict[str, Any] = {
    "terminal_width": _HELP_WIDTH,
    "max_content_width": _HELP_WIDTH,
    "help_option_names": ["-h", "--help"],
}


def _commands(
    path: tuple[str, ...], command: click.Command
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _commands((*path, name), inner)
