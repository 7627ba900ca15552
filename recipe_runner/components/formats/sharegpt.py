"""ShareGPT conversations: `from` and `value`, with many spellings of the roles."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from recipe_runner.components.format import Example, Format, Message, require_column
from recipe_runner.plan import Shape
from recipe_runner.rows import Row, RowProblem

ROLES: Mapping[str, str] = {
    "human": "user",
    "user": "user",
    "prompter": "user",
    "question": "user",
    "instruction": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "answer": "assistant",
    "system": "system",
    "tool": "tool",
    "observation": "tool",
    "function_response": "tool",
}
"""Spellings of roles seen in public data sets, and the role of chat templates each means."""


class ShareGPT(Format):
    """Conversations in ShareGPT's layout: a list of `from` and `value`.

    The usual spellings of roles (human, gpt, bot, ...) are known; others are named
    in `roles`. A role that is in neither is a problem of the row, not a guess.

    >>> row = {
    ...     "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    ... }
    >>> [m["role"] for m in ShareGPT(type="sharegpt").to_example(row)["messages"]]
    ['user', 'assistant']
    """

    type: Literal["sharegpt"]
    conversations_column: str = "conversations"
    """Column that holds the list of turns."""
    role_key: str = "from"
    """Key of a turn that holds the role."""
    content_key: str = "value"
    """Key of a turn that holds the text."""
    system_column: str = "system"
    """Column with a system prompt; rows may lack it."""
    roles: dict[str, Literal["system", "user", "assistant", "tool"]] = Field(default_factory=dict)
    """Further spellings of roles: theirs to ours."""

    shape: ClassVar[Shape] = "conversation"
    rank: ClassVar[int] = 30
    snippet: ClassVar[str] = "format: sharegpt"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.conversations_column,)

    def to_example(self, row: Row) -> Example:
        turns = require_column(row, self.conversations_column)
        if not isinstance(turns, list | tuple) or not turns:
            raise RowProblem(
                "empty-conversation", f"has no turn in column `{self.conversations_column}`"
            )
        messages = [self._message(turn, number) for number, turn in enumerate(turns, 1)]
        system = row.get(self.system_column)
        if isinstance(system, str) and system and messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": system})
        return {"messages": messages}

    def _message(self, turn: object, number: int) -> Message:
        where = f"turn {number} of `{self.conversations_column}`"
        if not isinstance(turn, Mapping) or not isinstance(turn.get(self.role_key), str):
            raise RowProblem("message-without-role", f"has no text `{self.role_key}` in {where}")
        said = turn[self.role_key]
        role = self.roles.get(said) or ROLES.get(said.lower())
        if role is None:
            raise RowProblem(
                "unknown-role", f"has the role {said!r} in {where}, which `roles` does not map"
            )
        content = turn.get(self.content_key)
        if not isinstance(content, str):
            raise RowProblem(
                "message-without-content", f"has no text `{self.content_key}` in {where}"
            )
        return {"role": role, "content": content}

    @classmethod
    def recognises(cls, row: Row) -> str | None:
        value = row.get("conversations")
        if (
            isinstance(value, list)
            and value
            and isinstance(value[0], Mapping)
            and {"from", "value"} <= value[0].keys()
        ):
            return "there is a column `conversations` of lists with `from` and `value`"
        return None
