"""What a key takes, in words, from its part of the JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_KINDS = {
    "number": "a number",
    "integer": "a whole number",
    "string": "a text",
    "boolean": "true or false",
    "null": "null",
    "object": "a mapping",
    "array": "a list",
}
_PLURALS = {
    "a text": "texts",
    "a whole number": "whole numbers",
    "a number": "numbers",
    "a mapping": "mappings",
}
_LIMITS = {
    "exclusiveMinimum": "above {}",
    "minimum": "of at least {}",
    "exclusiveMaximum": "below {}",
    "maximum": "of at most {}",
}


def takes(schema: Schema) -> str:
    """Such as "`auto` or a number above 0"."""
    *parts, last = dict.fromkeys(_parts(schema))
    return f"{', '.join(parts)} or {last}" if parts else last


def default_text(schema: Schema, *, required: bool) -> str:
    """The default as it would stand in a recipe."""
    if required:
        return "none, the key is required"
    if "default" not in schema:
        return "the defaults of its keys"
    return f"`{written(schema['default'])}`"


def written(value: Any) -> str:
    """A value as it would stand in a recipe, on one line."""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _parts(schema: Schema) -> Iterator[str]:
    """Words stand in backquotes; everything else is a kind of value."""
    if "if" in schema:
        yield from _words(schema.get("examples", ()))
        kinds = schema.get("type", [])
        yield from (_KINDS[kind] for kind in kinds if kind != "string" or "examples" not in schema)
        return
    if "anyOf" in schema:
        for branch in schema["anyOf"]:
            yield from _parts(branch)
        return
    if "enum" in schema:
        yield from _words(schema["enum"])
    elif "const" in schema:
        yield from _words([schema["const"]])
    else:
        yield from _kinds(schema)


def _kinds(schema: Schema) -> Iterator[str]:
    kinds = schema.get("type", "object" if "allOf" in schema or "$ref" in schema else None)
    if kinds is None:
        yield "any value"
        return
    limits = [text.format(f"{schema[key]:g}") for key, text in _LIMITS.items() if key in schema]
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        text = _KINDS[kind]
        if kind in ("number", "integer") and limits:
            text += " " + " and ".join(limits)
        if kind == "array" and isinstance(items := schema.get("items"), dict) and items:
            text += f" of {_plural(takes(items))}"
        if kind == "boolean":
            yield from ("true", "false")
        else:
            yield text


def _plural(text: str) -> str:
    """`text` with its noun in the plural: "whole numbers of at least 0"."""
    one = max((one for one in _PLURALS if text.startswith(one)), key=len, default="")
    return _PLURALS[one] + text.removeprefix(one) if one else text


def _words(values: Any) -> Iterator[str]:
    yield from (f"`{written(value)}`" for value in values)
