"""Every leaf of the schema, with another valid value for it and a recipe in which it counts.

Most leaves need nothing: the value is made from the field's type, and the recipe is the
shortest one. `knob_tables` holds those that want a certain value or certain company.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from recipe_runner.components.algorithm import Algorithm
from recipe_runner.components.base import Component, discover
from recipe_runner.components.reward import Reward
from recipe_runner.recipe.fields import SchemaField
from recipe_runner.recipe.schema import Recipe
from tests.properties.knob_tables import (
    COMPANY,
    GRPO,
    MACHINE,
    OF_ALGORITHMS,
    VALUES,
    WHOLE,
    company_of,
)
from tests.workshop import recipe


@dataclass(frozen=True)
class Knob:
    """A leaf: the path of its mapping, the model of that mapping, and the field."""

    path: tuple[str, ...]
    model: type[BaseModel]
    name: str

    @property
    def id(self) -> str:
        """`training.learning_rate`, `adapter(lora).r`, `data.eval(EvalSplit).split`."""
        kind = ""
        if issubclass(self.model, Component):
            kind = f"({self.model.type_name()})"
        elif self.model.__name__ in ("EvalSplit", "TemplateFile", "TemplateInline"):
            kind = f"({self.model.__name__})"
        return f"{'.'.join(self.path)}{kind}.{self.name}".lstrip(".")

    @property
    def machine(self) -> str:
        """The name of the machine to compile for."""
        return str(_longest(MACHINE, self.id, "cpu"))

    @property
    def before(self) -> dict[str, Any]:
        """A recipe in which the knob counts and stands at its default."""
        if self.id in WHOLE:
            return recipe(WHOLE[self.id][0])
        return recipe(self._company(other=self.name == "type"))

    @property
    def after(self) -> dict[str, Any]:
        """The same recipe with the knob turned."""
        if self.id in WHOLE:
            return recipe(WHOLE[self.id][1])
        company = self._company(other=False)
        if self.name != "type":
            company[".".join((*self.path, self.name))] = self._value()
        return recipe(company)

    def _company(self, other: bool) -> dict[str, Any]:
        company = dict(_longest(COMPANY, self.id, {}))
        at = ".".join(self.path)
        if issubclass(self.model, Component):
            kind = _other_component(self) if other else self.model
            mapping = (
                {f"{at}.{key}": value for key, value in _required(kind).items()} if kind else {}
            )
            if kind is not None and issubclass(kind, Algorithm):
                mapping = {**mapping, **company_of(kind)}
            if issubclass(self.model, Reward):
                mapping = {**GRPO, **mapping}
            company = {**mapping, **company}
        elif self.path:
            own = {f"{at}.{key}": value for key, value in _required(self.model).items()}
            company = {**{k: v for k, v in own.items() if k != f"{at}.{self.name}"}, **company}
            if at in ("model", "data", "data.train"):
                company = {k: v for k, v in company.items() if k in _longest(COMPANY, self.id, {})}
        return company

    def _value(self) -> Any:
        if self.id in VALUES:
            return VALUES[self.id]
        if self.name in OF_ALGORITHMS and issubclass(self.model, Algorithm):
            return OF_ALGORITHMS[self.name]
        info = self.model.model_fields[self.name]
        default = info.get_default(call_default_factory=True, validated_data={})
        return next(v for v in candidates(info.annotation) if v != default)


def knobs() -> Iterator[Knob]:
    """Every leaf, those of each component apart."""
    seen: set[tuple[tuple[str, ...], type[BaseModel], str]] = set()

    def visit(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[Knob]:
        for name in model.model_fields:
            sections = SchemaField(model, name).sections
            knob = Knob(path, model, name)
            # What several algorithms inherit is turned in the first of them.
            key = path, owner(model, name), name
            if not sections and key not in seen:
                seen.add(key)
                yield knob
            for section in sections:
                yield from visit(section, (*path, name))

    yield from visit(Recipe, ())


def owner(model: type[BaseModel], name: str) -> type[BaseModel]:
    """The class that declares a field; of components other than algorithms, the class itself."""
    if not issubclass(model, Algorithm):
        return model
    return next(base for base in model.__mro__ if name in vars(base).get("__annotations__", {}))


def candidates(hint: Any) -> Iterator[Any]:
    """Values of a type, none of which means "decide for me"."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is bool:
        yield from (True, False)
    elif hint in (int, float, str):
        yield {int: 7, float: 0.625, str: "other"}[hint]
    elif origin is Literal:
        yield from (word for word in arguments if word != "auto")
    elif origin in (Union, types.UnionType):
        for member in arguments:
            yield from candidates(member)
    elif origin is tuple:
        yield from ([item] for item in candidates(arguments[0]))
    elif origin is dict:
        yield from ({"key": item} for item in candidates(arguments[1]))
    elif hasattr(hint, "__metadata__"):
        yield from candidates(hint.__origin__)
    elif hint is not types.NoneType:
        yield 1  # any JSON value


def _required(model: type[BaseModel]) -> dict[str, Any]:
    values: dict[str, Any] = {
        name: next(candidates(info.annotation))
        for name, info in model.model_fields.items()
        if info.is_required() and not SchemaField(model, name).sections
    }
    return values


def _other_component(knob: Knob) -> type[Component] | None:
    """Another component of the same axis; None where there is no other, or where none is one."""
    package = knob.model.__module__.rpartition(".")[0]
    others = [kind for kind in discover(package).values() if kind is not knob.model]
    return others[0] if others else None


def _longest(table: Mapping[str, Any], key: str, default: Any) -> Any:
    fitting = [start for start in table if key.startswith(start)]
    return table[max(fitting, key=len)] if fitting else default
