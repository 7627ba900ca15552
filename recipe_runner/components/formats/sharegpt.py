"""ShareGPT conversations: `from` and `value`, with many spellings of the roles."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal

from recipe_runner.components.chat import ConversationFormat, has_turns
from recipe_runner.components.format import Example, require_column
from recipe_runner.components.turns import SPELLINGS, Turns
from recipe_runner.plan import Shape
from recipe_runner.rows import Row


class ShareGPT(ConversationFormat):
    """Conversations in ShareGPT's layout: a list of `from` and `value`.

    The usual spellings of roles (human, gpt, bot, observation, ...) are known; others are
    named in `roles`. A role that is in neither is a problem of the row, not a guess.
    A `function_call` turn is the JSON text of a tool call, `{"name": ..., "arguments": ...}`
    or a list of them: an assistant's turn with `tool_calls` and no text. The columns `system`
    and `tools` are read, as are the images of LLaVA's layout (`<image>` in a text).

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

    shape: ClassVar[Shape] = "conversation"
    rank: ClassVar[int] = 30
    snippet: ClassVar[str] = "format: sharegpt"

    @cached_property
    def turns(self) -> Turns:
        return self.own_turns(SPELLINGS)

    def to_example(self, row: Row) -> Example:
        turns = require_column(row, self.conversations_column)
        return self.whole(row, turns, self.conversations_column)

    @classmethod
    def recognises(cls, row: Row) -> str | None:
        if has_turns(row.get("conversations"), "from", "value"):
            return "there is a column `conversations` of lists with `from` and `value`"
        return None

    @classmethod
    def recognised_options(cls, row: Row) -> Mapping[str, Any]:
        # LLaVA's name for the one image of a row.
        single = isinstance(row.get("image"), str) and "images" not in row
        return {"images_column": "image"} if single else {}
