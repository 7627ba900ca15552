"""Finding a field of the schema by its path in a recipe.

`training.learning_rate` leads to a field of `Training`; `adapter.r` to a field of
the adapter that the recipe names, or of any adapter where it names none.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from recipe_runner.components.base import Component, OneOf, Shorthand, discover
from recipe_runner.components.docs import field_docs
from recipe_runner.recipe.schema import Recipe

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class SchemaField:
    """A field of the schema: the model that has it, its name, its description."""

    model: type[BaseModel]
    name: str

    @property
    def info(self) -> FieldInfo:
        """Pydantic's view of the field."""
        return self.model.model_fields[self.name]

    @property
    def description(self) -> str:
        """The text under the field in the source."""
        return field_docs(self.model).get(self.name, "")

    @property
    def may_be_nothing(self) -> bool:
        """True where the default stands for having none: null, or an empty list."""
        return not self.info.is_required() and self.info.default in (None, ())

    @property
    def short_form(self) -> str | None:
        """What may stand here in place of a mapping: a text, or the word that names a component."""
        marks = tuple(_marks(self.info.annotation, self.info.metadata))
        if any(isinstance(mark, Shorthand) for mark in marks):
            return "a text"
        return "a word" if any(isinstance(mark, OneOf) for mark in marks) else None

    @property
    def sections(self) -> tuple[type[BaseModel], ...]:
        """The models that a mapping in this field may be."""
        return tuple(dict.fromkeys(_models(self.info.annotation, self.info.metadata)))


def _marks(annotation: Any, metadata: Any = ()) -> Iterator[Any]:
    yield from metadata
    for argument in get_args(annotation):
        yield from _marks(argument, getattr(argument, "__metadata__", ()))


def _models(annotation: Any, metadata: Any = ()) -> Iterator[type[BaseModel]]:
    chosen = [m for m in metadata if isinstance(m, OneOf)]
    for one_of in chosen:
        yield from discover(one_of.package).values()
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not chosen:
            yield annotation
        return
    for argument in get_args(annotation):
        inner = getattr(argument, "__metadata__", ())
        if hasattr(argument, "__metadata__"):
            yield from _models(argument.__origin__, inner)
        elif not chosen:
            yield from _models(argument)


def sections_at(path: Path, value: Any) -> tuple[type[BaseModel], ...]:
    """The models that the mapping at `path` may be; `value` is the whole recipe's plain value."""
    models: tuple[type[BaseModel], ...] = (Recipe,)
    for element in path:
        value = _step(value, element)
        if isinstance(element, int):
            continue
        found = [SchemaField(m, element).sections for m in models if element in m.model_fields]
        models = tuple(dict.fromkeys(section for sections in found for section in sections))
        models = _named(models, value)
    return models


def field_at(path: Path, value: Any) -> SchemaField | None:
    """The field at `path`, or None where the schema has none there."""
    names = [element for element in path if isinstance(element, str)]
    if not names:
        return None
    last = len(path) - 1 - [isinstance(e, str) for e in reversed(path)].index(True)
    for model in sections_at(path[:last], value):
        if names[-1] in model.model_fields:
            return SchemaField(model, names[-1])
    return None


@cache
def all_paths() -> Mapping[str, SchemaField]:
    """Every field of the schema by its dotted path; components of an axis share one."""
    found: dict[str, SchemaField] = {}

    def visit(model: type[BaseModel], prefix: str) -> None:
        for name in model.model_fields:
            field = SchemaField(model, name)
            path = f"{prefix}{name}"
            if path not in found:
                found[path] = field
            for section in field.sections:
                visit(section, f"{path}.")

    visit(Recipe, "")
    return MappingProxyType(found)


def _step(value: Any, element: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(element)
    if isinstance(value, list) and isinstance(element, int) and element < len(value):
        return value[element]
    return None


def _named(models: tuple[type[BaseModel], ...], value: Any) -> tuple[type[BaseModel], ...]:
    """Keep the component that the recipe names, where it names one."""
    wanted = value if isinstance(value, str) else _step(value, "type")
    named = tuple(m for m in models if issubclass(m, Component) and m.type_name() == wanted)
    return named or models
