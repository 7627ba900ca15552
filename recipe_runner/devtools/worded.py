"""Writes components that map 1:1 to an upstream class.

Types and defaults come from the upstream snapshot, words and limits from a table. An option
that has no words and is not left out ends the generation, so that a new release cannot
bring one that nobody has read about.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipe_runner import upstream
from recipe_runner.upstream import UpstreamField

KEEP = object()
"""Stands for upstream's own default."""

REQUIRED = object()
"""Stands for none: the recipe has to say it."""

_NUMBERS = ("Count", "Dropout", "Indices", "Natural", "NotNegative", "Positive", "Share")


class WordlessError(Exception):
    """Upstream has an option that the words do not know, or the other way round."""


@dataclass(frozen=True)
class Word:
    """An option: its type in the schema, what it does, and a default where ours is another."""

    type: str
    text: str
    default: Any = KEEP


@dataclass(frozen=True)
class Method:
    """A component: `config` is upstream's class, `page` its description, `source` where it is from.

    `options` add to those that the axis has in common, or take their place. `left_out` are
    options that a recipe does not have, with the reason. `traits` are class variables as
    source text. `returns` are methods of one expression, by the line that defines them.
    """

    type: str
    config: str
    title: str
    page: str
    source: str
    options: Mapping[str, Word] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    traits: Mapping[str, str] = field(default_factory=dict)
    returns: Mapping[str, str] = field(default_factory=dict)
    snippet: str = ""


@dataclass(frozen=True)
class Axis:
    """Where the components go and what they build on.

    `key` is the recipe's word for the axis, `base` their class in `module`, which also has
    `names`. `package` has the upstream classes. `common` are the words of options that
    several of them share, `left_out` those that none has. `types` are those of the traits.
    """

    key: str
    folder: Path
    base: str
    module: str
    names: tuple[str, ...]
    package: str
    through: str
    words: str
    common: Mapping[str, Word]
    left_out: Mapping[str, str]
    types: Mapping[str, str]


def written(axis: Axis, methods: Iterable[Method]) -> dict[Path, str]:
    """One component file per method. Raises `WordlessError`."""
    return _formatted({axis.folder / f"{each.type}.py": _source(axis, each) for each in methods})


def _source(axis: Axis, method: Method) -> str:
    fields = upstream.fields(f"{axis.package}:{method.config}")
    words = dict(_words(axis, method, fields))
    body = "\n".join(_class(axis, method, words, fields))
    return (
        f"# Generated from devtools/{axis.words}: python -m recipe_runner.devtools.generate\n"
        f'"""{method.title}, through {axis.through}."""\n\n{_imports(axis, body)}\n\n\n{body}'
    )


def _words(
    axis: Axis, method: Method, fields: Mapping[str, UpstreamField]
) -> Iterator[tuple[str, Word]]:
    left_out = {**axis.left_out, **method.left_out}
    for name in fields:
        if name in method.options or (name in axis.common and name not in method.left_out):
            yield name, method.options.get(name) or axis.common[name]
        elif name not in left_out:
            where = f"{axis.package}.{method.config}.{name}"
            raise WordlessError(f"{where}: say in {axis.words} what it does")
    unknown = sorted(set(method.options) - set(fields))
    if unknown:
        raise WordlessError(f"{axis.package}.{method.config} has no {', '.join(unknown)}")


def _class(
    axis: Axis, method: Method, words: Mapping[str, Word], fields: Mapping[str, UpstreamField]
) -> Iterator[str]:
    name = "".join(part.capitalize() for part in method.type.split("_"))
    yield f"class {name}({axis.base}):"
    yield f'    """{method.title}: {method.page.strip()}'
    yield ""
    source = f"{method.source}; " if method.source else ""
    yield f"    Source: {source}`{axis.package}.{method.config}`."
    yield '    """'
    yield ""
    yield f'    type: Literal["{method.type}"]'
    for option, word in words.items():
        default = fields[option].default if word.default is KEEP else word.default
        yield f"    {option}: {word.type}{_default(option, default, fields)}"
        yield f'    """{word.text}"""'
    yield ""
    yield f'    upstream: ClassVar[str | None] = "{axis.package}:{method.config}"'
    for trait, value in method.traits.items():
        kind = axis.types.get(trait, "bool" if value in ("True", "False") else "float")
        yield f"    {trait}: ClassVar[{kind}] = {value}"
    yield f'    snippet: ClassVar[str] = "{method.snippet or f"{axis.key}: {method.type}"}"'
    for definition, expression in method.returns.items():
        yield ""
        yield from (f"    {line}" for line in definition.splitlines())
        yield f"        return {expression}"
    yield ""


def _default(name: str, value: Any, fields: Mapping[str, UpstreamField]) -> str:
    if value is REQUIRED or (fields[name].required and value is None):
        return ""
    if value == {}:
        return " = Field(default_factory=dict)"
    if isinstance(value, list):
        value = tuple(value)
    return f" = {value!r}"


def _imports(axis: Axis, body: str) -> str:
    """The imports that the words of `body` need; ruff sorts them."""
    code = re.sub(r'"""(?s:.*?)"""', "", body)

    def used(names: tuple[str, ...]) -> list[str]:
        return [name for name in names if re.search(rf"\b{name}\b", code)]

    lines = [
        f"from typing import {', '.join(used(('Annotated', 'Any', 'ClassVar', 'Literal')))}",
        "",
    ]
    if used(("Field",)):
        lines += ["from pydantic import Field", ""]
    lines.append(f"from {axis.module} import {', '.join([axis.base, *used(axis.names)])}")
    if used(("Strings",)):
        lines.append("from recipe_runner.components.base import Strings")
    if numbers := used(_NUMBERS):
        lines.append(f"from recipe_runner.components.numbers import {', '.join(numbers)}")
    if used(("Requirement",)):
        lines.append("from recipe_runner.plan import Requirement")
    return "\n".join(lines)


def _formatted(sources: Mapping[Path, str]) -> dict[Path, str]:
    """The sources as ruff writes them, with sorted imports."""
    settings = Path(__file__).parents[2] / "pyproject.toml"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, source in sources.items():
            (folder / path.name).write_text(source, encoding="utf-8")
        for command in (("check", "--fix", "--select", "I"), ("format",)):
            subprocess.run(
                [sys.executable, "-m", "ruff", *command, "--quiet", "--config", settings, folder],
                check=True,
            )
        return {path: (folder / path.name).read_text(encoding="utf-8") for path in sources}
