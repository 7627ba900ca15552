"""Rows in the layouts of data sets, for tests of formats."""

from __future__ import annotations

from typing import Any

from recipe_runner.components.base import create

PACKAGE = "recipe_runner.components.formats"

Rows = dict[str, Any]


def chat(*turns: tuple[str, Any]) -> Rows:
    return {"messages": said(*turns)}


def said(*turns: tuple[str, Any]) -> list[Rows]:
    return [{"role": role, "content": content} for role, content in turns]


def shared(*turns: tuple[str, Any]) -> Rows:
    return {"conversations": [{"from": role, "value": content} for role, content in turns]}


def example(options: Rows | str, row: Rows) -> Rows:
    options = {"type": options} if isinstance(options, str) else options
    made: Rows = create(PACKAGE, options).to_example(row)
    return made


ASKED = {"role": "user", "content": "a"}
ANSWERED = {"role": "assistant", "content": "b"}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": {"x": 1}}}
CALL_AS_TEXT = {"type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
PNG = b"\x89PNG"


def turn(**keys: Any) -> Rows:
    return {"messages": [ASKED, {**ANSWERED, **keys}]}
