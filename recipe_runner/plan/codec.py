"""Plans as canonical JSON: the same plan is the same bytes, and decoding gives it back.

Calls inside JSON values are written as {"$call": target, "arguments": {...}}.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Mapping
from typing import Any

from recipe_runner.plan.call import Call
from recipe_runner.plan.plan import VERSION, Plan


class PlanFormatError(ValueError):
    """The text is not a plan of this version; the message names the place."""


def to_json(value: Any) -> Any:
    """Turn a plan, or a part of one, into JSON values."""
    if isinstance(value, Call):
        return {"$call": value.target, "arguments": to_json(value.arguments)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"{type(value).__name__} has no place in a plan")


def encode(plan: Plan) -> str:
    """Write `plan` as JSON with sorted keys, two spaces of indent and a final line break."""
    return (
        json.dumps(to_json(plan), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        + "\n"
    )


def digest(plan: Plan) -> str:
    """The SHA-256 of the plan's canonical JSON, as 64 hexadecimal digits."""
    return hashlib.sha256(encode(plan).encode()).hexdigest()


def decode(text: str) -> Plan:
    """Read a plan. Raises `PlanFormatError` where the text is not one of this version."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise PlanFormatError(f"line {error.lineno}: {error.msg}") from error
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise PlanFormatError(f"a plan of version {VERSION} is expected")
    plan = _decode(data, Plan, "plan")
    assert isinstance(plan, Plan)
    return plan


def _decode(value: Any, hint: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        inner = [a for a in arguments if a is not type(None)]
        return _decode(value, inner[0], where) if len(inner) == 1 else value
    if origin is tuple:
        if not isinstance(value, list):
            raise PlanFormatError(f"{where} is not a list")
        return tuple(_decode(v, arguments[0], f"{where}[{i}]") for i, v in enumerate(value))
    if hint is Call or dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise PlanFormatError(f"{where} is not an object")
        return _decode_object(value, hint, where)
    return _thaw(value)


def _decode_object(value: dict[str, Any], hint: Any, where: str) -> Any:
    if hint is Call:
        call = _thaw(value)
        if not isinstance(call, Call):
            raise PlanFormatError(f"{where} is not a call")
        return call
    hints = typing.get_type_hints(hint)
    names = {f.name for f in dataclasses.fields(hint)}
    if value.keys() != names:
        odd = ", ".join(sorted(value.keys() ^ names))
        raise PlanFormatError(f"{where}: missing or unknown: {odd}")
    return hint(**{name: _decode(value[name], hints[name], f"{where}.{name}") for name in names})


def _thaw(value: Any) -> Any:
    if isinstance(value, dict):
        items = {key: _thaw(item) for key, item in value.items()}
        if items.keys() == {"$call", "arguments"}:
            return Call(items["$call"], items["arguments"])
        return items
    if isinstance(value, list):
        return [_thaw(item) for item in value]
    return value
