"""The JSON Schema of a recipe, for editors and for tools that do not run Python.

Pydantic's own schema puts the forms of a value (a bare word, a mapping, a list) side
by side in `anyOf`, so that one misspelt key makes every form fail and a checker names
all of them. Here a value's form is told first, with `if`, and only the schema of that
form is applied: a message is then about the key that is wrong.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Discriminator, Field, Strict, Tag, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from recipe_runner.components.base import (
    Component,
    OneOf,
    OneOrMany,
    OwnName,
    Shorthand,
    discover,
)
from recipe_runner.components.docs import field_docs
from recipe_runner.recipe.schema import SCHEMA_VERSION, Recipe

Schema = dict[str, Any]


def json_schema() -> Schema:
    """The schema of a recipe as plain JSON values, draft 2020-12."""
    definitions: dict[str, Schema] = {}
    root = _model(Recipe, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:recipe-runner:schema:recipe-v{SCHEMA_VERSION}",
        **root,
        "title": f"recipe_runner recipe, version {SCHEMA_VERSION}",
        "$defs": dict(sorted(definitions.items())),
    }


def definition_name(model: type[BaseModel]) -> str:
    """The name of a model in `$defs`: `LoraAdapter`, `TextFormat`, `Training`."""
    axis = axis_of(model)
    return model.__name__ + (axis.__name__ if axis is not None else "")


def axis_of(model: type[BaseModel]) -> type[Component] | None:
    """The contract that a component fulfils, such as `Adapter`; None for other models."""
    return next(
        (base for base in model.__mro__ if Component in base.__bases__ and base is not model), None
    )


@dataclass
class _Forms:
    """The forms that a value may have, told apart by their JSON type."""

    mappings: list[tuple[str, Schema]] = field(default_factory=list)
    """Schemas of mappings, each with a key that tells it from the ones before it."""
    lists: list[Schema] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    scalars: list[Schema] = field(default_factory=list)
    null: bool = False

    def add(self, other: "_Forms") -> None:
        self.mappings += other.mappings
        self.lists += other.lists
        self.words += other.words
        self.scalars += other.scalars
        self.null = self.null or other.null


def _model(model: type[BaseModel], definitions: dict[str, Schema]) -> Schema:
    docs = field_docs(model)
    properties = {}
    for name, info in model.model_fields.items():
        properties[name] = {
            **({"description": docs[name]} if name in docs else {}),
            **_schema(_forms(info.annotation, info.metadata, definitions)),
            **(info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}),
            **_default(info),
        }
    required = [name for name, info in model.model_fields.items() if info.is_required()]
    return {
        "title": _title(model),
        "description": description(model),
        "type": "object",
        "additionalProperties": False,
        **({"required": required} if required else {}),
        "properties": properties,
    }


def description(model: type[BaseModel]) -> str:
    """A model's docstring without its doctests."""
    text = (model.__doc__ or "").partition(">>>")[0]
    lines = [line.strip() for line in text.strip().splitlines()]
    paragraphs = "\n".join(lines).split("\n\n")
    return "\n\n".join(paragraph.replace("\n", " ").strip() for paragraph in paragraphs).strip()


def _title(model: type[BaseModel]) -> str:
    axis = axis_of(model)
    if axis is None or not issubclass(model, Component):
        return model.__name__
    return f"{axis.__name__.lower()}: {model.type_name()}"


def _default(info: FieldInfo) -> Schema:
    value = info.get_default(call_default_factory=True, validated_data={})
    if info.is_required() or isinstance(value, BaseModel):
        return {}  # the defaults of a section stand at its own keys
    return {"default": to_jsonable_python(value)}


def _forms(annotation: Any, metadata: Iterable[Any], definitions: dict[str, Schema]) -> _Forms:
    """The forms of a value of `annotation`; `metadata` is what `Annotated` adds to it."""
    marks = list(metadata)
    forms = _Forms()
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return _forms(inner, [*more, *marks], definitions)
    if one_of := next((mark for mark in marks if isinstance(mark, OneOf)), None):
        return _choice(one_of, definitions)
    if not _has_models(annotation, marks):
        return _leaf(annotation, marks)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        forms.mappings.append(_reference(annotation, definitions))
        if shorthand := next((mark for mark in marks if isinstance(mark, Shorthand)), None):
            info = annotation.model_fields[shorthand.field]
            forms.scalars += _leaf(info.annotation, info.metadata).scalars
        return forms
    if get_origin(annotation) is tuple:
        item = _forms(get_args(annotation)[0], (), definitions)
        limits = TypeAdapter(Annotated[tuple[int, ...], Field(), *_limits(marks)]).json_schema()
        limits["items"] = {key: v for key, v in _schema(item).items() if key != "examples"}
        forms.lists.append(limits)
        if any(isinstance(mark, OneOrMany) for mark in marks):
            forms.add(item)
        return forms
    for member in get_args(annotation):
        forms.add(_forms(member, (), definitions))
    return forms


def _limits(marks: list[Any]) -> Iterator[Any]:
    return (m for m in marks if not isinstance(m, OneOrMany | Strict | Tag | Discriminator))


def _has_models(annotation: Any, marks: Iterable[Any] = ()) -> bool:
    if any(isinstance(mark, OneOf) for mark in marks):
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return True
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return _has_models(inner, more)
    if get_origin(annotation) in (Union, UnionType, tuple):
        return any(_has_models(member) for member in get_args(annotation))
    return False


def _leaf(annotation: Any, marks: list[Any]) -> _Forms:
    """A value without sections in it: pydantic's own schema, without titles."""
    kept = [m for m in marks if not isinstance(m, OwnName | Tag | Discriminator)]
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ()
    forms = _Forms(null=annotation is NoneType or NoneType in members)
    if annotation is NoneType:
        return forms
    schema: Schema = TypeAdapter(Annotated[annotation, Field(), *kept]).json_schema()
    for branch in schema.pop("anyOf", [schema]):
        branch.pop("title", None)
        branch.pop("$defs", None)
        if branch.get("additionalProperties") == {"$ref": "#/$defs/JsonValue"}:
            branch["additionalProperties"] = True
        choices = branch.get("enum", [branch["const"]] if "const" in branch else [])
        if choices and all(isinstance(choice, str) for choice in choices):
            forms.words += choices
        elif branch != {"type": "null"}:
            forms.scalars.append(branch)
    return forms


def _reference(model: type[BaseModel], definitions: dict[str, Schema]) -> tuple[str, Schema]:
    name = definition_name(model)
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = _model(model, definitions)
    required = [key for key, info in model.model_fields.items() if info.is_required()]
    return (required or [""])[0], {"$ref": f"#/$defs/{name}"}


def _choice(one_of: OneOf, definitions: dict[str, Schema]) -> _Forms:
    """A component by its name alone, or as a mapping whose `type` says which one."""
    components = discover(one_of.package)
    axis = axis_of(next(iter(components.values())))
    assert axis is not None, f"{one_of.package} holds a component without a contract"
    references = {
        name: _reference(component, definitions)[1] for name, component in components.items()
    }
    definitions[axis.__name__] = {
        "title": axis.__name__.lower(),
        "description": description(axis).partition("\n\n")[0],
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"description": "Which one.", "enum": list(components)}},
        "discriminator": {
            "propertyName": "type",
            "mapping": {name: reference["$ref"] for name, reference in references.items()},
        },
        "allOf": [
            {
                "if": {"required": ["type"], "properties": {"type": {"const": name}}},
                "then": reference,
            }
            for name, reference in references.items()
        ],
    }
    alone = [name for name, component in components.items() if _stands_alone(component)]
    return _Forms(
        mappings=[("type", {"$ref": f"#/$defs/{axis.__name__}"})], words=[*one_of.words, *alone]
    )


def _stands_alone(component: type[Component]) -> bool:
    """Whether nothing but the name has to be given."""
    return all(
        name == "type" or not info.is_required() for name, info in component.model_fields.items()
    )


def _schema(forms: _Forms) -> Schema:
    """One schema for all forms: the form is told first, then its own schema applies.

    Editors do not look for choices behind `if`, so `examples` names them too. A section
    stands in `allOf`, because editors insert all defaults of one that is given directly.
    """
    scalar = _scalar(forms)
    if scalar == {} and not forms.lists:
        return {"type": "object", "allOf": [_mapping(forms.mappings)]}
    if not forms.mappings and not (forms.lists and scalar):
        return forms.lists[0] if forms.lists else scalar
    cases: list[tuple[str, Schema]] = []
    if forms.mappings:
        cases.append(("object", _mapping(forms.mappings)))
    if forms.lists:
        cases.append(("array", forms.lists[0]))
    schema = scalar
    for kind, case in reversed(cases):
        schema = {"if": {"type": kind}, "then": case, **({"else": schema} if schema else {})}
    examples = {"examples": forms.words} if forms.words else {}
    return {"type": _types(forms, [kind for kind, _ in cases]), **examples, **schema}


def _types(forms: _Forms, kinds: list[str]) -> list[str]:
    scalars = [kind for schema in forms.scalars for kind in _as_list(schema.get("type", []))]
    words = ["string"] if forms.words else []
    null = ["null"] if forms.null else []
    return list(dict.fromkeys([*null, *words, *scalars, *kinds]))


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _mapping(mappings: list[tuple[str, Schema]]) -> Schema:
    """The first mapping is the rule; each later one applies where its key is there."""
    schema = mappings[0][1]
    for key, other in mappings[1:]:
        if other != schema:
            schema = {"if": {"required": [key]}, "then": other, "else": schema}
    return schema


def _scalar(forms: _Forms) -> Schema:
    null: list[Any] = [None] if forms.null else []
    choices = list(forms.scalars)
    if forms.words:
        choices.insert(0, {"enum": forms.words})
    if len(choices) == 1:
        only = dict(choices[0])
        if "enum" in only:
            words = [*only["enum"], *null]
            return {"const": words[0]} if len(words) == 1 else {"enum": words}
        if null and isinstance(only.get("type"), str):
            only["type"] = ["null", only["type"]]
        return only
    if null:
        choices.insert(0, {"type": "null"})
    return {"anyOf": choices} if len(choices) > 1 else (choices or [{}])[0]
