"""Whose words the tokens of a row are: a role of the conversation, or the template's own.

Contents are found by rendering the conversation once more with stand-ins in their place,
which shows what the template writes before each. What trains outside of a content belongs
to the turn that trains (its end, a call of a tool); the rest is the template's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recipe_runner.components.format import Example
from recipe_runner.execute.tokenize import TokenizeSettings
from recipe_runner.execute.tokenize.conversation import Chat, ChatTemplate
from recipe_runner.execute.tokenize.sentinels import Pieces, slots_of, with_stand_ins
from recipe_runner.rows import RowProblem

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TEMPLATE = "template"
"""The role of what the chat template writes."""

_ROLE_OF_TURNS = "assistant"


def messages_of(example: Example) -> list[Any]:
    """The conversation of an example; none where it is no conversation."""
    if "messages" in example:
        return list(example["messages"])
    prompt, completion = example.get("prompt"), example.get("completion")
    if isinstance(prompt, list | tuple) and isinstance(completion, list | tuple):
        return [*prompt, *completion]
    return []


def roles_of(
    example: Example,
    ids: Sequence[int],
    trained: Sequence[bool],
    tokenizer: PreTrainedTokenizerBase,
    settings: TokenizeSettings,
) -> list[str]:
    """The role of each token of the whole row `ids`, of which `trained` train."""
    messages = messages_of(example)
    if messages:
        return _of_conversation(messages, example, ids, trained, tokenizer, settings)
    prompt = example.get("prompt")
    if not isinstance(prompt, str):
        return ["text"] * len(ids)
    if settings.loss.on == "completion":
        return ["completion" if taken else "prompt" for taken in trained]
    count = min(len(tokenizer.backend_tokenizer.encode(prompt).ids), len(ids))
    return ["prompt"] * count + ["completion"] * (len(ids) - count)


def _of_conversation(
    messages: list[Any],
    example: Example,
    ids: Sequence[int],
    trained: Sequence[bool],
    tokenizer: PreTrainedTokenizerBase,
    settings: TokenizeSettings,
) -> list[str]:
    try:
        chat = Chat.of(messages, example, settings.chat_template_kwargs)
        template = ChatTemplate(tokenizer, settings.chat_template)
        text = template.render(chat, chat.messages)
    except RowProblem:
        return [_ROLE_OF_TURNS if taken else TEMPLATE for taken in trained]
    encoding = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
    spans = _contents(template, chat, text) if encoding.ids == list(ids) else []
    roles = []
    at = 0
    last = ""
    for number, taken in enumerate(trained):
        start, end = encoding.offsets[number] if spans else (0, 0)
        while at < len(spans) and spans[at][1] <= start:
            last = spans[at][2]
            at += 1
        if at < len(spans) and spans[at][0] < end:
            roles.append(spans[at][2])
        elif taken:
            # A turn that only calls a tool has no content of its own; what trains directly
            # behind a content is the end of that turn.
            own = last in settings.loss.roles or last == _ROLE_OF_TURNS or roles[-1:] == [last]
            roles.append(last if own else _ROLE_OF_TURNS)
        else:
            roles.append(TEMPLATE)
    return roles


def _contents(template: ChatTemplate, chat: Chat, text: str) -> list[tuple[int, int, str]]:
    """The characters of each content in `text`, with its role, in order."""
    slots = slots_of(chat.messages)
    blank = template.attempt(chat, with_stand_ins(chat.messages, slots))
    pieces = Pieces.of(blank) if blank is not None else None
    order = pieces.slots if pieces is not None else tuple(range(len(slots)))
    spans: list[tuple[int, int, str]] = []
    reached = 0
    for place, slot in enumerate(order):
        before = pieces.literals[place] if pieces is not None else ""
        value = slots[slot].value
        for head, wanted in ((before, value), (before, value.strip()), ("", value.strip())):
            found = text.find(head + wanted, reached)
            if found >= 0:
                reached = found + len(head) + len(wanted)
                role = str(chat.messages[slots[slot].message]["role"])
                spans.append((found + len(head), reached, role))
                break
    return spans
