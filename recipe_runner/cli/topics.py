"""What `explain` knows: codes, keys of the schema and components, each as Markdown."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from pydantic import BaseModel

from recipe_runner.catalogue import catalogue
from recipe_runner.cli.value_text import default_text, takes
from recipe_runner.components.algorithm import Algorithm
from recipe_runner.components.base import OWN, Component
from recipe_runner.diagnostics import FAMILIES, Code
from recipe_runner.recipe.fields import SchemaField, all_paths
from recipe_runner.recipe.json_schema import definition_name, description, json_schema
from recipe_runner.recipe.schema import Recipe

_INDEX = re.compile(r"\[\d+\]|\.\d+(?=\.|$)")


def names() -> tuple[str, ...]:
    """Everything that has a page: ids of codes, paths of keys, names of components."""
    components = dict.fromkeys(kind.type_name() for _, kind in _components())
    return (*catalogue(), *all_paths(), *components)


def page(topic: str) -> str | None:
    """The page of a code, a key or a component; None where nothing has that name.

    A key may be given without its sections; where several keys or components share
    the name, all of them are told.
    """
    wanted = topic.strip()
    codes = [
        code
        for code in catalogue().values()
        if wanted.upper() == code.id or wanted.lower() == code.name
    ]
    if codes:
        return "\n".join(_code(code) for code in codes)
    key = _INDEX.sub("", wanted)
    parts = [_key(path, field) for path, field in _fields(key)]
    parts += [_component(axis, kind) for axis, kind in _components() if kind.type_name() == wanted]
    return "\n".join(parts) or None


def overview(width: int) -> str:
    """The sections, the components and the codes, for a reader who looks around."""
    text = "Keys of a recipe (recipe-run explain training, explain training.learning_rate)\n"
    text += _wrapped(Recipe.model_fields, width) + "\n"
    text += "Components (recipe-run explain lora)\n"
    axes: dict[str, list[str]] = {}
    for axis, kind in _components():
        axes.setdefault(axis, []).append(kind.type_name())
    for axis, kinds in axes.items():
        text += textwrap.fill(
            f"{axis}: {', '.join(kinds)}", width, initial_indent="  ", subsequent_indent="    "
        )
        text += "\n"
    text += "\nCodes (recipe-run explain RR201)\n"
    for family, title in FAMILIES.items():
        codes = [code for code in catalogue().values() if code.id.startswith(family)]
        if codes:
            text += f"  {family}xx {title}\n"
            text += _columns([f"{code.id} {code.name}" for code in codes], width)
    return text


def _code(code: Code) -> str:
    return f"# {code.id} {code.name}\n\n{code.severity}, {code.family}\n\n{code.page}\n"


def _fields(key: str) -> Iterator[tuple[str, SchemaField]]:
    """The keys of that path, or else the keys of that name in any section."""
    paths = all_paths()
    if key in paths:
        yield key, paths[key]
        return
    seen: set[tuple[type[BaseModel], str]] = set()
    for path, field in paths.items():
        if path.endswith(f".{key}") and (field.model, field.name) not in seen:
            seen.add((field.model, field.name))
            yield path, field


def _key(path: str, field: SchemaField) -> str:
    lines = [f"# {path}"]
    # Components that mean the same by a key are told together, the usual one first.
    meanings: dict[tuple[str, ...], list[SchemaField]] = {}
    for each in _owned(path, field) or [field]:
        meanings.setdefault(tuple(_meaning(each)), []).append(each)
    for meaning, fields in meanings.items():
        lines += ["", *meaning]
        targets = [passed for each in fields if (passed := _passed_on(each)) is not None]
        if targets:
            lines.append(f"- Passed on as: {', '.join(dict.fromkeys(targets))}")
        owners = [each.model.type_name() for each in fields if issubclass(each.model, Component)]
        if owners:
            lines.append(f"- Belongs to: {', '.join(f'`{owner}`' for owner in owners)}")
    kinds = [kind for kind in field.sections if issubclass(kind, Component)]
    if kinds:
        lines += ["", *(f"- `{kind.type_name()}`: {_first(kind)}" for kind in kinds)]
    for section in field.sections:
        if not issubclass(section, Component):
            lines += ["", "Keys:", "", *_keys_of(section)]
    return "\n".join(lines) + "\n"


def _meaning(field: SchemaField) -> Iterator[str]:
    schema = _properties(field.model)[field.name]
    yield field.description
    yield ""
    yield f"- Takes: {takes(schema)}"
    yield f"- Default: {default_text(schema, required=field.info.is_required())}"


def _first(model: type[BaseModel]) -> str:
    return description(model).partition("\n\n")[0]


def _keys_of(section: type[BaseModel]) -> Iterator[str]:
    for name in section.model_fields:
        text = SchemaField(section, name).description
        yield f"- `{name}`: {text.partition('; ')[0].rstrip('.')}"


def _component(axis: str, kind: type[Component]) -> str:
    lines = [f"# {axis}: {kind.type_name()}", "", description(kind)]
    if kind.snippet:
        lines += ["", "```yaml", kind.snippet, "```"]
    if issubclass(kind, Algorithm):
        lines += ["", "The loss:", "", *(f"    {line}" for line in kind.equation.splitlines())]
        lines += ["", "Rows:", "", *(f"    {json.dumps(row)}" for row in kind.sample_rows)]
    keys = [name for name in kind.model_fields if name != "type"]
    if keys:
        lines += ["", "Keys:", ""]
    for name in keys:
        schema = _properties(kind)[name]
        field = SchemaField(kind, name)
        default = default_text(schema, required=field.info.is_required())
        lines.append(f"- `{name}` ({takes(schema)}; default {default}): {field.description}")
    return "\n".join(lines) + "\n"


def _passed_on(field: SchemaField) -> str | None:
    """The upstream argument that a field becomes, where it keeps its name."""
    if OWN in field.info.metadata or field.name in ("type", "extra"):
        return None
    if issubclass(field.model, Component):
        targets = {field.model.upstream}
    elif field.model is Recipe.model_fields["training"].annotation:
        targets = {kind.upstream for axis, kind in _components() if axis == "algorithm"}
    else:
        return None
    shown = [f"`{field.name}` of `{target}`" for target in sorted(filter(None, targets))]
    return ", ".join(shown) or None


def _owned(path: str, field: SchemaField) -> list[SchemaField]:
    """The field of each component of an axis that has this key, where it is a component's."""
    if not issubclass(field.model, Component):
        return []
    axis = path.rpartition(".")[0]
    kinds = all_paths()[axis].sections if axis in all_paths() else ()
    found = [
        SchemaField(kind, field.name)
        for kind in kinds
        if issubclass(kind, Component) and field.name in kind.model_fields
    ]
    return sorted(found, key=lambda each: not vars(each.model).get("is_default", False))


@cache
def _definitions() -> Mapping[str, Mapping[str, object]]:
    schema = json_schema()
    return {**schema["$defs"], definition_name(Recipe): schema}


def _properties(model: type[BaseModel]) -> Mapping[str, Mapping[str, object]]:
    found = _definitions()[definition_name(model)]["properties"]
    assert isinstance(found, dict)
    return found


@cache
def _components() -> tuple[tuple[str, type[Component]], ...]:
    """Every component with the name of its axis, which is the key that names it."""
    found = {
        (path.rpartition(".")[2], kind)
        for path, field in all_paths().items()
        for kind in field.sections
        if issubclass(kind, Component)
    }
    return tuple(sorted(found, key=lambda pair: (pair[0], pair[1].type_name())))


def _wrapped(words: Iterable[str], width: int) -> str:
    indent = "  "
    return (
        textwrap.fill(", ".join(words), width, initial_indent=indent, subsequent_indent=indent)
        + "\n"
    )


def _columns(items: list[str], width: int) -> str:
    """Items in columns that are read downwards."""
    cell = max(len(item) for item in items) + 2
    across = max(1, (width - 4) // cell)
    down = -(-len(items) // across)
    rows = ("".join(f"{item:<{cell}}" for item in items[i::down]) for i in range(down))
    return "".join(f"    {row.rstrip()}\n" for row in rows)
