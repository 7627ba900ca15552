"""Tools of a conversation: their schemas, and the calls that a turn makes.

What a chat template gets is what the row has: nothing is added. Tables fill the fields that
other rows have with null, so a null field of a call is absent.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

from recipe_runner.rows import RowProblem, what_is

Arguments = Literal["as_given", "mapping", "text"]
"""What the arguments of a call are handed to the chat template as."""


def parsed(text: str, reason: str, where: str) -> Any:
    """The value of a JSON text in a row; raises `RowProblem(reason)` where it is none."""
    try:
        value = json.loads(text)
        # An escape may hide half of a surrogate pair, which no tokenizer can read.
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        words = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise RowProblem(reason, f"has a text that is no JSON in {where}: {words}") from error
    return value


def tools_of(value: Any, column: str) -> list[Any]:
    """A list of tools, or the JSON text of one: tables cannot hold schemas that differ."""
    if isinstance(value, str):
        value = parsed(value, "tools-not-json", f"column `{column}`")
    if not isinstance(value, list | tuple):
        kind = what_is(value)
        raise RowProblem(
            "not-a-list", f"has {kind} where a list of tools is expected, in column `{column}`"
        )
    for number, tool in enumerate(value, 1):
        if not isinstance(tool, Mapping):
            kind = what_is(tool)
            raise RowProblem(
                "not-a-tool",
                f"has {kind} where a mapping is expected, in tool {number} of `{column}`",
            )
    return list(value)


def tool_calls_of(value: Any, arguments: Arguments, where: str) -> list[Any]:
    """The calls of a turn, in OpenAI's form or as bare `name` and `arguments`, or their JSON text."""
    if isinstance(value, str):
        value = parsed(value, "tool-call-not-json", f"`tool_calls` of {where}")
    if not isinstance(value, list | tuple):
        kind = what_is(value)
        raise RowProblem(
            "not-a-list", f"has {kind} where a list is expected, in `tool_calls` of {where}"
        )
    return [
        _call(item, arguments, f"tool call {number} of {where}")
        for number, item in enumerate(value, 1)
    ]


def called(text: str, arguments: Arguments, where: str) -> list[Any]:
    """The calls that a ShareGPT turn writes as JSON: one `{name, arguments}` or a list of them."""
    value = parsed(text, "tool-call-not-json", where)
    calls = tool_calls_of(value if isinstance(value, list) else [value], arguments, where)
    if not calls:
        raise RowProblem("tool-call-without-name", f"has an empty list of tool calls in {where}")
    return [
        call if "function" in call else {"type": "function", "function": call} for call in calls
    ]


def _call(item: Any, arguments: Arguments, where: str) -> dict[str, Any]:
    inner = item.get("function", item) if isinstance(item, Mapping) else None
    if not isinstance(inner, Mapping) and isinstance(item, Mapping):
        inner = item if item.get("function") is None else None
    if (
        not isinstance(item, Mapping)
        or not isinstance(inner, Mapping)
        or not isinstance(inner.get("name"), str)
    ):
        raise RowProblem("tool-call-without-name", f"has no text `name` in {where}")
    call = _present(item)
    function = call if inner is item else _present(inner)
    if "arguments" in function:
        function["arguments"] = _arguments(function["arguments"], arguments, where)
    return call if inner is item else {**call, "function": function}


def _arguments(value: Any, wanted: Arguments, where: str) -> Any:
    if not isinstance(value, str | Mapping):
        kind = what_is(value)
        raise RowProblem(
            "tool-call-arguments",
            f"has {kind} where a mapping or its JSON text is expected, in the arguments of {where}",
        )
    if wanted == "mapping" and isinstance(value, str):
        value = parsed(value, "tool-call-not-json", f"the arguments of {where}")
        if not isinstance(value, Mapping):
            raise RowProblem(
                "tool-call-arguments",
                f"has arguments that are no mapping of names to values in {where}",
            )
    if wanted == "text" and not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value


def _present(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if value is not None}
