"""Reads a row's list of turns: the keys and spellings of a data set become those of templates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recipe_runner.components.format import MarkedSpan, Message
from recipe_runner.components.parts import content_of
from recipe_runner.components.tools import Arguments, called, tool_calls_of
from recipe_runner.rows import RowProblem, what_is

CALL = "function_call"
"""The role of turns that are a tool call written as JSON: an assistant's turn without a text."""

KNOWN_ROLES: Mapping[str, str] = {
    role: role
    for role in (
        "system",
        "user",
        "assistant",
        "tool",
        "developer",
        "function",
        "ipython",
        "observation",
    )
}
"""Roles that chat templates take as they are."""

SPELLINGS: Mapping[str, str] = {
    **dict.fromkeys(("human", "user", "prompter", "question", "instruction", "usr"), "user"),
    **dict.fromkeys(
        ("gpt", "assistant", "model", "bot", "chatgpt", "bing", "bard", "chatbot", "answer"),
        "assistant",
    ),
    "system": "system",
    "developer": "developer",
    **dict.fromkeys(
        ("tool", "observation", "function_response", "tool_response", "tool_result", "ipython"),
        "tool",
    ),
    **dict.fromkeys((CALL, "tool_call"), CALL),
}
"""Spellings of roles in public data sets, in lower case, and the role of templates each means."""

_HEAVIEST = 1_000_000


@dataclass(frozen=True)
class Turns:
    """The layout of turns. `roles` are the data set's own spellings, `spellings` the usual ones.

    The keys of marks (`train_key`, `weight_key`, `spans_key`) are None where marks are not read.
    """

    role_key: str = "role"
    content_key: str = "content"
    roles: Mapping[str, str] = field(default_factory=dict)
    spellings: Mapping[str, str] = field(default_factory=lambda: KNOWN_ROLES)
    reasoning_keys: tuple[str, ...] = ("reasoning_content", "reasoning", "thinking")
    template_keys: tuple[str, ...] = ()
    arguments: Arguments = "as_given"
    train_key: str | None = None
    weight_key: str | None = None
    spans_key: str | None = None

    def read(self, value: Any, column: str) -> list[Message]:
        """The messages of a list of turns; raises `RowProblem`."""
        if not isinstance(value, list | tuple):
            kind = what_is(value)
            raise RowProblem(
                "not-a-list",
                f"has {kind} where a list of messages is expected, in column `{column}`",
            )
        if not value:
            raise RowProblem("empty-conversation", f"has no message in column `{column}`")
        return [
            self._message(item, f"message {number} of `{column}`")
            for number, item in enumerate(value, 1)
        ]

    def _message(self, item: Any, where: str) -> Message:
        if not isinstance(item, Mapping) or not isinstance(item.get(self.role_key), str):
            raise RowProblem("message-without-role", f"has no text `{self.role_key}` in {where}")
        role = self._role(item[self.role_key], where)
        content = item.get(self.content_key)
        if len(item) == 2 and isinstance(content, str) and role != CALL:
            # Nearly every message of nearly every data set, so it is worth a shortcut.
            return {"role": role, "content": content}
        calls = item.get("tool_calls") or []
        if calls:
            calls = tool_calls_of(calls, self.arguments, where)
        if content is None and not calls:
            raise RowProblem("message-without-content", f"has no `{self.content_key}` in {where}")
        message: Message = {
            "role": role,
            "content": "" if content is None else content_of(content, self.content_key, where),
        }
        if calls:
            message["tool_calls"] = calls
        if role == CALL:
            text = message["content"]
            if not isinstance(text, str):
                raise RowProblem("not-text", f"has parts where a tool call is expected, in {where}")
            message |= {"role": "assistant", "content": ""}
            message["tool_calls"] = called(text, self.arguments, where)
        self._further(item, message, where)
        self._marks(item, message, where)
        return message

    def _role(self, said: str, where: str) -> str:
        role = self.roles.get(said) or self.spellings.get(said) or self.spellings.get(said.lower())
        if role is None:
            raise RowProblem(
                "unknown-role", f"has the role {said!r} in {where}, which `roles` does not map"
            )
        return role

    def _further(self, item: Mapping[str, Any], message: Message, where: str) -> None:
        for key in ("name", "tool_call_id"):
            if item.get(key) is not None:
                message[key] = _text(item[key], key, where)
        for key in self.reasoning_keys:
            if item.get(key) is not None:
                message["reasoning_content"] = _text(item[key], key, where)
                break
        for key in self.template_keys:
            if item.get(key) is not None and key not in ("role", "content"):
                message[key] = item[key]  # type: ignore[literal-required]  # read by a template

    def _marks(self, item: Mapping[str, Any], message: Message, where: str) -> None:
        if self.train_key is not None and item.get(self.train_key) is not None:
            message["train"] = truth(item[self.train_key], f"`{self.train_key}` of {where}")
        if self.weight_key is not None and item.get(self.weight_key) is not None:
            message["weight"] = _weight(item[self.weight_key], f"`{self.weight_key}` of {where}")
        if self.spans_key is not None and item.get(self.spans_key) is not None:
            spans = item[self.spans_key]
            if not isinstance(spans, list | tuple) or not isinstance(message["content"], str):
                raise RowProblem(
                    "span-outside", f"has no list over a text in `{self.spans_key}` of {where}"
                )
            length = len(message["content"])
            message["train_spans"] = [
                _span(span, length, f"mark {number} of {where}")
                for number, span in enumerate(spans, 1)
            ]


def truth(value: Any, where: str) -> bool:
    """A truth value, also as 0 or 1, which is all that some tables can hold."""
    if isinstance(value, bool) or (isinstance(value, int | float) and value in (0, 1)):
        return bool(value)
    raise RowProblem(
        "not-a-truth-value", f"has {_short(value)} where true or false is expected, in {where}"
    )


def _weight(value: Any, where: str) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    # Compared before it is converted: a whole number may be too large for a float.
    if not number or not 0 <= value <= _HEAVIEST:
        raise RowProblem(
            "not-a-weight",
            f"has {_short(value)} where a number from 0 to {_HEAVIEST} is expected, in {where}",
        )
    return float(value)


def _span(value: Any, length: int, where: str) -> MarkedSpan:
    """Characters `begin` to before `end`, or axolotl's `begin_offset` to `end_offset`, both included."""
    marks = value if isinstance(value, Mapping) else {}
    begin, end = marks.get("begin"), marks.get("end")
    if "begin_offset" in marks:
        begin, end = marks["begin_offset"], marks.get("end_offset")
    if type(begin) is not int or type(end) is not int or marks.get("train") is None:
        raise RowProblem("span-outside", f"has no `begin`, `end` and `train` in {where}")
    last = end + ("begin_offset" in marks)
    if not 0 <= begin <= last <= length:
        raise RowProblem(
            "span-outside", f"marks characters {begin} to {last} of {length} in {where}"
        )
    return {"begin": begin, "end": last, "train": truth(marks["train"], where)}


def _text(value: Any, key: str, where: str) -> str:
    if not isinstance(value, str):
        kind = what_is(value)
        raise RowProblem("not-text", f"has {kind} where text is expected, in `{key}` of {where}")
    return value


def _short(value: Any) -> str:
    if isinstance(value, bool | int | float) or value is None:
        return f"{value!r:.20}"
    return f"the text {value[:20]!r}" if isinstance(value, str) else what_is(value)
