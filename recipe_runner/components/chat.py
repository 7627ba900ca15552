"""What the formats of conversations share: options for turns, tools, images and templates."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from pydantic import Field

from recipe_runner.components.base import Strings
from recipe_runner.components.format import Example, Format, Message, require_text
from recipe_runner.components.parts import images_of, place_images
from recipe_runner.components.tools import Arguments, parsed, tools_of
from recipe_runner.components.turns import SPELLINGS, Turns
from recipe_runner.rows import Row, RowProblem, what_is


class ChatFormat(Format):
    """A format whose rows hold messages, or may hold them."""

    roles: dict[str, str] = Field(default_factory=dict)
    """Further spellings of roles: theirs to ours; a role of your own is mapped to itself."""
    tools_column: str = "tools"
    """Column with the tools' JSON schemas, a list or its JSON text, for the chat template; rows may lack it."""
    images_column: str | None = "images"
    """Column with the images of the messages, by path, URL or bytes; rows may lack it, null does not read it."""
    chat_template_kwargs_column: str = "chat_template_kwargs"
    """Column with variables for the chat template, which win over the recipe's; rows may lack it."""

    @cached_property
    def turns(self) -> Turns:
        """How turns with `role` and `content` are read."""
        return Turns(roles=self.roles)

    def conversation(self, value: Any, column: str) -> list[Message]:
        """Messages by `role` and `content`, or by ShareGPT's `from` and `value`, as they come."""
        first = value[0] if isinstance(value, list | tuple) and value else None
        if isinstance(first, Mapping) and "role" not in first and "from" in first:
            return Turns("from", "value", self.roles, SPELLINGS).read(value, column)
        return self.turns.read(value, column)

    def with_images(self, row: Row, messages: list[Message]) -> list[Message]:
        """The messages with the row's images in their places."""
        column = self.images_column
        given = None if column is None else row.get(column)
        images = [] if given is None else images_of(given, str(column))
        return place_images(messages, images)

    def refuse_images(self, row: Row) -> None:
        """Raise `RowProblem` where a row of texts has images, for which texts have no place."""
        if self.images_column is not None and row.get(self.images_column):
            raise RowProblem(
                "image-count",
                f"has images in column `{self.images_column}`, but texts in place of messages",
            )

    def beside(self, row: Row) -> Example:
        """The row's tools and variables for the chat template, as an example to add to."""
        example: Example = {}
        tools = row.get(self.tools_column)
        if tools is not None and tools != "" and (tools := tools_of(tools, self.tools_column)):
            example["tools"] = tools
        column = self.chat_template_kwargs_column
        kwargs = row.get(column)
        if isinstance(kwargs, str):
            kwargs = parsed(kwargs, "kwargs-not-a-mapping", f"column `{column}`")
        if kwargs is not None and not isinstance(kwargs, Mapping):
            kind = what_is(kwargs)
            raise RowProblem(
                "kwargs-not-a-mapping",
                f"has {kind} where a mapping is expected, in column `{column}`",
            )
        if present := {k: v for k, v in (kwargs or {}).items() if v is not None}:
            example["chat_template_kwargs"] = present
        return example


class ConversationFormat(ChatFormat):
    """A format whose rows are whole conversations, each with the keys of its turns."""

    role_key: str = "role"
    """Key of a message that holds the role."""
    content_key: str = "content"
    """Key of a message that holds the text, or a list of parts with texts and images."""
    reasoning_keys: Strings = ("reasoning_content", "reasoning", "thinking")
    """Keys of a message that may hold thoughts; templates get the first as `reasoning_content`."""
    template_keys: Strings = ()
    """Further keys of a message that the chat template reads; others do not reach it."""
    tool_arguments: Arguments = "as_given"
    """Arguments of tool calls: `as_given`, or turned into a `mapping` or its JSON `text` for the template."""
    system_column: str = "system"
    """Column with a system prompt, put before the messages; rows may lack it."""
    train_key: str | None = "train"
    """Key of a message that says whether it trains, whatever its role; null does not read it."""
    weight_key: str | None = None
    """Key of a message that holds the factor of its loss, such as OpenAI's `weight`; null does not read it."""
    spans_key: str | None = None
    """Key of a message that lists which of its characters train; null does not read it."""

    def own_turns(self, spellings: Mapping[str, str]) -> Turns:
        """How the turns are read, with all options."""
        return Turns(
            self.role_key,
            self.content_key,
            self.roles,
            spellings,
            self.reasoning_keys,
            self.template_keys,
            self.tool_arguments,
            self.train_key,
            self.weight_key,
            self.spans_key,
        )

    def whole(self, row: Row, value: Any, column: str) -> Example:
        """The example of a row whose conversation is `value`."""
        messages = self.turns.read(value, column)
        system = row.get(self.system_column)
        if system is not None and (text := require_text(row, self.system_column)):
            if messages[0]["role"] != "system":
                messages.insert(0, {"role": "system", "content": text})
            elif messages[0]["content"] != text:
                raise RowProblem(
                    "two-system-prompts",
                    f"has a system prompt in column `{self.system_column}` and another one in "
                    f"`{column}`",
                )
        return {"messages": self.with_images(row, messages), **self.beside(row)}


def has_turns(value: Any, *keys: str) -> bool:
    """True for a list whose first item has `keys`, as the turns of a conversation do."""
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, Mapping) and all(key in first for key in keys)
