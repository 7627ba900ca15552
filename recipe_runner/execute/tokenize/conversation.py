"""A conversation becomes text: the chat template, rendered as transformers renders it.

This module knows templates, not tokens. The template is compiled once per process
(transformers caches it by its text); nothing here changes the messages it is given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from recipe_runner.rows import RowProblem

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Message = Mapping[str, Any]
Messages = Sequence[Message]
Span = tuple[int, int]
"""Characters of a text: from the first to before the second."""

_MARKER = re.compile(r"\{%-?\s*generation\s*-?%\}")

# What a template's own expressions raise beside Jinja's errors, on a row they do not fit:
# `"a" + none` is a TypeError, `"x"|int + []` a ValueError, a missing item a LookupError.
_PYTHON_ERRORS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)


_OURS = ("train", "weight", "train_spans")
"""What a message says of its loss; no template sees it."""


@dataclass(frozen=True)
class Chat:
    """One conversation with what its template sees besides the messages.

    `given` are the same messages, with what they say of their own loss.
    """

    messages: tuple[Message, ...]
    tools: tuple[Any, ...] | None = None
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    given: tuple[Message, ...] = ()

    @classmethod
    def of(
        cls, messages: Sequence[Any], example: Mapping[str, Any], kwargs: Mapping[str, Any]
    ) -> Chat:
        """Take `tools` (a list or its JSON text) and `chat_template_kwargs` from `example`.

        A field of a message that is None is absent, as transformers has it: Arrow fills
        the fields that other rows have with None.
        """
        tools = example.get("tools")
        if isinstance(tools, str):
            try:
                tools = json.loads(tools)
            except json.JSONDecodeError as error:
                raise RowProblem("tools-not-json", f"has tools that are no JSON: {error}") from None
        given, shown = [], []
        for number, message in enumerate(messages, 1):
            if not isinstance(message, Mapping) or "role" not in message:
                raise RowProblem("not-a-message", f"has no `role` in message {number}")
            present = {key: value for key, value in message.items() if value is not None}
            given.append(present)
            shown.append({key: value for key, value in present.items() if key not in _OURS})
        own = example.get("chat_template_kwargs") or {}
        return cls(
            tuple(shown),
            tuple(tools) if tools is not None else None,
            {**kwargs, **own},
            tuple(given),
        )

    @property
    def assistant_turns(self) -> tuple[int, ...]:
        """The places of the assistant's messages."""
        return tuple(i for i, m in enumerate(self.messages) if m["role"] == "assistant")

    def without(self, first: int, stop: int) -> Chat:
        """The conversation without the messages from `first` up to, not including, `stop`."""
        messages = (*self.messages[:first], *self.messages[stop:])
        given = (*self.given[:first], *self.given[stop:])
        return Chat(messages, self.tools, self.kwargs, given)


@dataclass(frozen=True)
class ChatTemplate:
    """The template that renders a run's conversations.

    `chat_template` is Jinja text or None for the tokenizer's own.
    """

    tokenizer: PreTrainedTokenizerBase
    chat_template: str | None = None

    def text(self, tools: object = None) -> str:
        """The Jinja text; a tokenizer may have another one for conversations with tools."""
        try:
            text: str = self.tokenizer.get_chat_template(self.chat_template, tools)
        except ValueError as error:
            raise RowProblem("no-chat-template", f"cannot be rendered: {error}") from None
        return text

    def has_markers(self, chat: Chat) -> bool:
        """True where the template says itself what the assistant wrote."""
        return _MARKER.search(self.text(chat.tools)) is not None

    def render(self, chat: Chat, messages: Messages, *, prompt: bool = False) -> str:
        """Render `messages` in place of the chat's own; `prompt` adds the generation prompt.

        Raises `RowProblem("template-refused")` with the template's own words.
        """
        return self._render(chat, messages, prompt=prompt, markers=False)[0]

    def render_with_markers(self, chat: Chat, messages: Messages) -> tuple[str, list[Span]]:
        """The text and what its `{% generation %}` blocks wrote, in order."""
        return self._render(chat, messages, prompt=False, markers=True)

    def attempt(self, chat: Chat, messages: Messages, *, prompt: bool = False) -> str | None:
        """Render, or None where the template refuses: for probing, not for a row itself."""
        try:
            return self.render(chat, messages, prompt=prompt)
        except RowProblem:
            return None

    def _render(
        self, chat: Chat, messages: Messages, *, prompt: bool, markers: bool
    ) -> tuple[str, list[Span]]:
        from jinja2 import TemplateError
        from transformers.utils.chat_template_utils import render_jinja_template

        if not messages:
            raise RowProblem("template-refused", "has no message that could be rendered")
        text = self.text(chat.tools)
        try:
            rendered, spans = render_jinja_template(
                [messages],
                tools=None if chat.tools is None else list(chat.tools),
                chat_template=text,
                return_assistant_tokens_mask=markers,
                add_generation_prompt=prompt,
                **{**self._special_tokens, **chat.kwargs},
            )
        except (TemplateError, *_PYTHON_ERRORS) as error:
            words = str(error) or type(error).__name__
            raise RowProblem(
                "template-refused", f"is refused by the chat template, which says: {words}"
            ) from error
        return rendered[0], [tuple(span) for span in spans[0]] if markers else []

    @cached_property
    def _special_tokens(self) -> dict[str, str]:
        return dict(self.tokenizer.special_tokens_map)


def shared_length(one: Sequence[object], other: Sequence[object]) -> int:
    """How many items both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
