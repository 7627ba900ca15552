"""Conversations as lists of role and content: the form of chat templates."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from recipe_runner.components.format import Example, Format, Message, require_column
from recipe_runner.plan import Shape
from recipe_runner.rows import Row, RowProblem

_OPTIONAL = ("reasoning_content", "tool_calls", "name", "tool_call_id")


class Messages(Format):
    """Conversations in the form that chat templates take: a list of `role` and `content`.

    Use it for chat data in OpenAI's layout. Tool calls, tool results and
    `reasoning_content` reach the template as they are.

    >>> row = {
    ...     "messages": [
    ...         {"role": "user", "content": "Hi"},
    ...         {"role": "assistant", "content": "Hello"},
    ...     ]
    ... }
    >>> [m["role"] for m in Messages(type="messages").to_example(row)["messages"]]
    ['user', 'assistant']
    """

    type: Literal["messages"]
    messages_column: str = "messages"
    """Column that holds the list of messages."""
    tools_column: str = "tools"
    """Column with the tools' JSON schemas for the chat template; rows may lack it."""

    shape: ClassVar[Shape] = "conversation"
    rank: ClassVar[int] = 10
    snippet: ClassVar[str] = "format: messages"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.messages_column,)

    def to_example(self, row: Row) -> Example:
        messages = require_column(row, self.messages_column)
        example: Example = {"messages": conversation(messages, self.messages_column)}
        if row.get(self.tools_column):
            example["tools"] = _tools(row[self.tools_column], self.tools_column)
        return example

    @classmethod
    def recognises(cls, row: Row) -> str | None:
        value = row.get("messages")
        if (
            isinstance(value, list)
            and value
            and isinstance(value[0], Mapping)
            and "role" in value[0]
        ):
            return "there is a column `messages` of lists with `role`"
        return None


def conversation(value: Any, column: str) -> list[Message]:
    """Check a list of messages and keep what templates read; raises `RowProblem`."""
    if not isinstance(value, list | tuple):
        kind = type(value).__name__
        raise RowProblem(
            "not-a-list", f"has a {kind} where a list of messages is expected, in column `{column}`"
        )
    if not value:
        raise RowProblem("empty-conversation", f"has no message in column `{column}`")
    return [
        _message(item, f"message {number} of `{column}`") for number, item in enumerate(value, 1)
    ]


def _tools(value: Any, column: str) -> list[Any]:
    """A list of tools, or the JSON text of one: tables cannot hold schemas that differ."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise RowProblem(
                "tools-not-json", f"has a text that is no JSON in column `{column}`: {error}"
            ) from error
    if not isinstance(value, list | tuple):
        kind = type(value).__name__
        raise RowProblem(
            "not-a-list", f"has a {kind} where a list of tools is expected, in column `{column}`"
        )
    return list(value)


def _message(item: Any, where: str) -> Message:
    if not isinstance(item, Mapping) or not isinstance(item.get("role"), str):
        raise RowProblem("message-without-role", f"has no text `role` in {where}")
    content = item.get("content")
    if content is None and not item.get("tool_calls"):
        raise RowProblem("message-without-content", f"has no `content` in {where}")
    if content is not None and not isinstance(content, str):
        kind = type(content).__name__
        raise RowProblem(
            "not-text", f"has a {kind} where text is expected, in `content` of {where}"
        )
    message: Message = {"role": item["role"], "content": content or ""}
    for key in _OPTIONAL:
        if item.get(key) is not None:
            message[key] = item[key]  # type: ignore[literal-required]  # keys of Message
    return message
