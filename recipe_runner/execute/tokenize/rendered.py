"""What a row has and its chat template does not write: calls of tools, tools, thoughts.

A template that knows no tools renders a turn that calls one as an empty turn, and says
nothing. Thoughts of earlier turns are left out on purpose by many templates, those of the
last turn by templates that know no thoughts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from recipe_runner.execute.tokenize.conversation import Chat
from recipe_runner.rows import RowProblem

_THOUGHT = "reasoning_content"
_BEGINNING = 24
"""Characters of a thought that are looked for: a template may break or trim what follows."""


def left_out(chat: Chat, text: str) -> RowProblem | None:
    """Why `text` is not all of the conversation; None where nothing is seen to be missing."""
    missing = next(_missing(chat, text), None)
    if missing is None:
        return None
    return RowProblem("not-rendered", f"{missing}, of which the chat template writes nothing")


def _missing(chat: Chat, text: str) -> Iterator[str]:
    for number, message in enumerate(chat.messages, 1):
        for call in message.get("tool_calls") or ():
            name = _name(call)
            if name is not None and not _written(name, text):
                yield f"calls the tool `{name}` in message {number}"
    names = [name for name in map(_name, chat.tools or ()) if name is not None]
    if names and not any(_written(name, text) for name in names):
        yield f"has {len(names)} tool{'s' if len(names) > 1 else ''} (`{names[0]}`)"
    last = chat.messages[-1]
    thought = last.get(_THOUGHT) if last["role"] == "assistant" else None
    if isinstance(thought, str) and thought.strip()[:_BEGINNING] not in text:
        yield f"has a thought in message {len(chat.messages)}"


def _written(name: str, text: str) -> bool:
    return name in text or json.dumps(name)[1:-1] in text


def _name(tool: Any) -> str | None:
    """The name of a tool or of a call, in OpenAI's layout or bare."""
    if not isinstance(tool, Mapping):
        return None
    function = tool.get("function")
    name = function.get("name") if isinstance(function, Mapping) else tool.get("name")
    return name if isinstance(name, str) and name else None
