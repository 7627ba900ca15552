"""What every component shares: a frozen, strict schema, and discovery by folder.

A component is one choice that a recipe can name, in one file: its schema, its
traits and its mapping to upstream keyword arguments. A folder of such files is an
axis; `OneOf` turns the folder into a union tagged by `type`, so that a new file
needs no other edit.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, Strict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from recipe_runner.components.docs import field_docs

T = TypeVar("T")


class Spec(BaseModel):
    """A section of a recipe: immutable, strict about types, closed to unknown keys."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        defer_build=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        described = handler(schema)
        properties = handler.resolve_ref_schema(described).get("properties", {})
        for name, text in field_docs(cls).items():
            if name in properties:
                properties[name]["description"] = text
        return described


@dataclass(frozen=True)
class OwnName:
    """Marks a field that is ours: it is not copied upstream under its own name."""


OWN = OwnName()

Strings = Annotated[tuple[str, ...], Strict(False)]
"""A list of texts in a recipe, a tuple in Python."""


class Component(Spec):
    """One choice on an axis, named by its `type`.

    `upstream` is the target whose keyword arguments the fields map to, None where
    there is none. `snippet` is the smallest YAML that uses the component.
    """

    type: str
    upstream: ClassVar[str | None] = None
    snippet: ClassVar[str] = ""

    @classmethod
    def type_name(cls) -> str:
        """The word a recipe uses for this component."""
        return str(get_args(cls.model_fields["type"].annotation)[0])

    def options(self) -> dict[str, Any]:
        """All fields but `type`, as JSON values."""
        return self.model_dump(mode="json", exclude={"type"})

    def arguments(self) -> dict[str, Any]:
        """The fields that keep their upstream name, with their values, as JSON values.

        `extra` is merged last: its keys are upstream arguments without a field here.
        """
        ours = {"type", "extra"} | {
            n for n, f in type(self).model_fields.items() if OWN in f.metadata
        }
        extra: Mapping[str, Any] = self.model_dump(mode="json").get("extra") or {}
        return {**self.model_dump(mode="json", exclude=ours), **extra}


@cache
def discover(package: str) -> Mapping[str, type[Component]]:
    """The components of a folder by their type, in alphabetical order.

    Raises `TypeError` where two files claim the same type, so that a mistake is
    found by the first import and not by a user.
    """
    found: dict[str, type[Component]] = {}
    root = importlib.import_module(package)
    for info in sorted(pkgutil.iter_modules(root.__path__), key=lambda i: i.name):
        module = importlib.import_module(f"{package}.{info.name}")
        for component in _components_of(module.__name__, vars(module)):
            name = component.type_name()
            if name in found:
                raise TypeError(
                    f"{component.__module__} and {found[name].__module__} are both {name!r}"
                )
            found[name] = component
    return dict(sorted(found.items()))


def create(package: str, values: Mapping[str, Any]) -> Any:
    """Build the component of `package` that `values["type"]` names from plain values."""
    return discover(package)[values["type"]].model_validate(dict(values))


def _components_of(module: str, names: Mapping[str, Any]) -> Iterator[type[Component]]:
    for value in names.values():
        if (
            inspect.isclass(value)
            and issubclass(value, Component)
            and value.__module__ == module
            and not inspect.isabstract(value)
        ):
            yield value


class OneOf:
    """Annotates a field as one of the components of `package`.

    A bare text is a shorthand for a component with its defaults; `words` are texts
    that stand for themselves ("auto").
    """

    def __init__(self, package: str, *words: str) -> None:
        self.package = package
        self.words = words

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        choices = {
            name: handler.generate_schema(component)
            for name, component in discover(self.package).items()
        }
        tagged = core_schema.tagged_union_schema(choices, discriminator="type")

        def validate(value: Any, inner: core_schema.ValidatorFunctionWrapHandler) -> Any:
            if isinstance(value, str):
                return value if value in self.words else inner({"type": value})
            return inner(value)

        return core_schema.no_info_wrap_validator_function(
            validate, tagged, serialization=core_schema.plain_serializer_function_ser_schema(_dump)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        names = [*self.words, *discover(self.package)]
        union = handler(schema["schema"])
        return {"anyOf": [{"type": "string", "enum": names}, union]}


def _dump(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


class Shorthand:
    """Annotates a section whose most important field may be written alone.

    `model: Qwen/Qwen3-8B` means `model: {name_or_path: Qwen/Qwen3-8B}`.
    """

    def __init__(self, field: str) -> None:
        self.field = field

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        def expand(value: Any) -> Any:
            return {self.field: value} if isinstance(value, str) else value

        return core_schema.no_info_before_validator_function(expand, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler(schema["schema"])]}


class OneOrMany:
    """Annotates a tuple field that may be written as a single item."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        def wrap(value: Any) -> Any:
            return value if isinstance(value, list | tuple) else [value]

        return core_schema.no_info_before_validator_function(wrap, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        many = handler(schema["schema"])
        return {"anyOf": [handler.resolve_ref_schema(many)["items"], many]}


class _OrWord:
    """The annotation behind `OrAuto`: the word "auto", or a value of the type."""

    def __init__(self, word: str) -> None:
        self.word = word

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        inner = [a for a in get_args(source) if get_args(a) != (self.word,)]
        if len(inner) == 1:
            schema = handler.generate_schema(inner[0])
        else:
            schema = core_schema.union_schema([handler.generate_schema(a) for a in inner])

        def validate(value: Any, follow: core_schema.ValidatorFunctionWrapHandler) -> Any:
            return value if value == self.word and isinstance(value, str) else follow(value)

        return core_schema.no_info_wrap_validator_function(
            validate, schema, serialization=core_schema.plain_serializer_function_ser_schema(_dump)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [{"const": self.word}, handler(schema["schema"])]}


OrAuto = Annotated[T | Literal["auto"], _OrWord("auto")]
"""A value, or "auto": `resolve` decides and says why."""


class NotResolvedError(AssertionError):
    """A value that `resolve` should have decided still says "auto"."""


def settled(value: T | Literal["auto"]) -> T:
    """The value of a field after `resolve`; raises `NotResolvedError` where it is still "auto"."""
    if isinstance(value, str) and value == "auto":
        raise NotResolvedError("a value is still 'auto'")
    return value
