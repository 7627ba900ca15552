"""JSON Schemas of plain Python types: dataclasses, typed dicts, and what they hold."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from recipe_runner.plan import Call

Schema = dict[str, Any]

_PLAIN = {bool: "boolean", int: "integer", float: "number", str: "string"}


def schema_of(root: type, identifier: str, title: str) -> Schema:
    """The schema of the JSON form of `root`, draft 2020-12, with a definition per class."""
    definitions: dict[str, Schema] = {}
    body = _object(root, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": identifier,
        **body,
        "title": title,
        "$defs": dict(sorted(definitions.items())),
    }


def _schema(hint: Any, definitions: dict[str, Schema]) -> Schema:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return {}
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if origin is Literal:
        return {"const": arguments[0]} if len(arguments) == 1 else {"enum": list(arguments)}
    if origin in (typing.Union, types.UnionType):
        return _union(arguments, definitions)
    if origin in (tuple, list):
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is not None and issubclass(origin, Mapping):
        values = _schema(arguments[1], definitions)
        return {"type": "object", **({"additionalProperties": values} if values else {})}
    if hint.__name__ not in definitions:
        definitions[hint.__name__] = {}
        definitions[hint.__name__] = _object(hint, definitions)
    return {"$ref": f"#/$defs/{hint.__name__}"}


def _union(members: tuple[Any, ...], definitions: dict[str, Schema]) -> Schema:
    schemas = [
        {"type": "null"} if m is types.NoneType else _schema(m, definitions) for m in members
    ]
    if all(schema.keys() == {"type"} for schema in schemas):
        return {"type": [schema["type"] for schema in schemas]}
    return {"anyOf": schemas}


def _object(cls: type, definitions: dict[str, Schema]) -> Schema:
    """Every key is there in each file, those with a default too."""
    if cls is Call:
        return _call()
    defaults = (
        {f.name: f.default for f in dataclasses.fields(cls) if _is_plain(f.default)}
        if dataclasses.is_dataclass(cls)
        else {}
    )
    properties = {}
    for name, hint in typing.get_type_hints(cls).items():
        properties[name] = _schema(hint, definitions)
        if name in defaults:
            properties[name]["default"] = defaults[name]
    return {
        "title": cls.__name__,
        "description": _description(cls),
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


def _is_plain(default: Any) -> bool:
    return default is None or isinstance(default, bool | int | float | str)


def _call() -> Schema:
    return {
        "title": "Call",
        "description": _description(Call),
        "type": "object",
        "additionalProperties": False,
        "required": ["$call", "arguments"],
        "properties": {"$call": {"type": "string"}, "arguments": {"type": "object"}},
    }


def _description(cls: type) -> str:
    lines = [line.strip() for line in (cls.__doc__ or "").strip().splitlines()]
    return "\n".join(lines).replace("\n\n", "\0").replace("\n", " ").replace("\0", "\n\n")
