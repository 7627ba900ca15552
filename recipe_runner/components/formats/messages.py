"""Conversations as lists of role and content: the form of chat templates."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal

from recipe_runner.components.chat import ConversationFormat, has_turns
from recipe_runner.components.format import Example, require_column
from recipe_runner.components.turns import KNOWN_ROLES, Turns
from recipe_runner.plan import Shape
from recipe_runner.rows import Row

_COLUMNS = ("messages", "conversation", "conversations")


class Messages(ConversationFormat):
    """Conversations in the form that chat templates take: a list of `role` and `content`.

    Use it for chat data in OpenAI's layout. Tool calls and tool results with their ids,
    `name` and thoughts reach the template. `content` is a text or a list of parts
    (`text`, `image`, `image_url`); images are paths, URLs or bytes, in the parts or in the
    column `images`. A message may say itself whether it trains (`train_key`), with which
    factor (`weight_key`), and which of its characters do (`spans_key`, a list of
    `{begin, end, train}` without the character at `end`, or of axolotl's
    `{begin_offset, end_offset, train}` with it). Known roles are system, user, assistant, tool, developer, function,
    ipython and observation; a row with another one, which `roles` does not map, is a fault.

    >>> row = {
    ...     "messages": [
    ...         {"role": "user", "content": "Hi"},
    ...         {"role": "assistant", "content": "Hello", "train": True},
    ...     ]
    ... }
    >>> Messages(type="messages").to_example(row)["messages"][1]
    {'role': 'assistant', 'content': 'Hello', 'train': True}
    """

    type: Literal["messages"]
    messages_column: str = "messages"
    """Column that holds the list of messages."""

    shape: ClassVar[Shape] = "conversation"
    rank: ClassVar[int] = 10
    snippet: ClassVar[str] = "format: messages"

    @cached_property
    def turns(self) -> Turns:
        return self.own_turns(KNOWN_ROLES)

    def to_example(self, row: Row) -> Example:
        messages = require_column(row, self.messages_column)
        return self.whole(row, messages, self.messages_column)

    @classmethod
    def recognises(cls, row: Row) -> str | None:
        column = _column(row)
        return column and f"there is a column `{column}` of lists with `role`"

    @classmethod
    def recognised_options(cls, row: Row) -> Mapping[str, Any]:
        return {"messages_column": _column(row) or cls.model_fields["messages_column"].default}


def _column(row: Row) -> str | None:
    return next((column for column in _COLUMNS if has_turns(row.get(column), "role")), None)
