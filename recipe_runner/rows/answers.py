"""Which messages of a conversation train, and what can be wrong with its answers.

Everything here looks at roles and contents, never at tokens: the check before a run and the
preparation during it choose and judge alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recipe_runner.plan import LossPlan, RowPolicy
from recipe_runner.rows.row import RowProblem

IGNORED = -100
"""The label of a token that the loss is not taken on (torch's `ignore_index`)."""

ANY = "any"
"""The role that stands for all of them."""

Message = Mapping[str, Any]


def trained_messages(
    messages: Sequence[Message], loss: LossPlan, first: int = 0
) -> tuple[int, ...]:
    """The places of the messages that train, of those from `first` on.

    A message's own `train`, `weight` and `train_spans` win over roles and turns.
    """
    everyone = ANY in loss.roles
    chosen = [
        place
        for place in range(first, len(messages))
        if everyone or messages[place]["role"] in loss.roles
    ]
    match loss.turns:
        case "last":
            chosen = chosen[-1:]
        case "last_round":
            chosen = [place for place in chosen if place > _last_user(messages)]
    wanted = set(chosen)
    for place in range(first, len(messages)):
        own = _own_word(messages[place])
        if own is True:
            wanted.add(place)
        elif own is False:
            wanted.discard(place)
    return tuple(sorted(wanted))


def has_own_word(messages: Sequence[Message]) -> bool:
    """True where a message says itself whether, or how much, it trains."""
    return any("train" in m or "weight" in m or "train_spans" in m for m in messages)


def restricts(loss: LossPlan, messages: Sequence[Message]) -> bool:
    """True where not all that follows a prompt trains, and not all of it alike."""
    return loss != LossPlan(loss.on) or has_own_word(messages)


def untrainable(example: Mapping[str, Any], loss: LossPlan) -> RowProblem | None:
    """Why no token of an example can train, as far as it shows before tokenizing."""
    if loss.on == "given":
        return _without_marks(example)
    first, messages = 0, example.get("messages")
    if messages is None:
        messages = conversation_of(example)
        first = len(example["prompt"]) if messages is not None else 0
    return None if messages is None else untrainable_turns(messages, loss, first)


def untrainable_turns(messages: Sequence[Message], loss: LossPlan, first: int) -> RowProblem | None:
    """Why no token of a conversation, from message `first` on, can train."""
    if loss.on == "all":
        return None
    whole = loss.on == "completion" and not restricts(loss, messages)
    chosen = (
        tuple(range(first, len(messages))) if whole else trained_messages(messages, loss, first)
    )
    if not chosen:
        return nothing_chosen(messages, loss)
    if all(_is_empty(messages[place]) for place in chosen):
        what = "turn" if len(chosen) == 1 else "turns"
        return RowProblem(
            "empty-completion",
            f"trains on {len(chosen)} {what} without a text, so there is nothing to learn",
        )
    return None


def nothing_chosen(messages: Sequence[Message], loss: LossPlan) -> RowProblem:
    """The problem of a conversation of which no message trains."""
    roles = ", ".join(dict.fromkeys(str(m["role"]) for m in messages)) or "none"
    if loss.roles == ("assistant",) and not any(m["role"] == "assistant" for m in messages):
        return RowProblem(
            "no-assistant-turn", f"has no turn of the assistant to train on; its roles: {roles}"
        )
    return RowProblem("no-trained-turn", f"has no turn that trains; its roles: {roles}")


def consecutive_assistant(example: Mapping[str, Any]) -> RowProblem | None:
    """Two turns of the assistant in a row, without a tool call or its result between them."""
    messages = example.get("messages")
    if messages is None:
        messages = conversation_of(example)
    if messages is None:
        return None
    for place in range(1, len(messages)):
        earlier, later = messages[place - 1], messages[place]
        if (
            earlier["role"] == later["role"] == "assistant"
            and not earlier.get("tool_calls")
            and not earlier.get("function_call")
        ):
            return RowProblem(
                "consecutive-assistant",
                f"has two turns of the assistant in a row, messages {place} and {place + 1}",
            )
    return None


def refuse_odd(example: Mapping[str, Any], policy: RowPolicy) -> None:
    """Raise the `RowProblem` of an example that is odd, unless the policy keeps such rows."""
    if policy.consecutive_assistant != "keep":
        problem = consecutive_assistant(example)
        if problem is not None:
            raise problem


def conversation_of(example: Mapping[str, Any]) -> list[Message] | None:
    """The messages of a prompt and its completion, None where they are texts or missing."""
    prompt, completion = example.get("prompt"), example.get("completion")
    if isinstance(prompt, list | tuple) and isinstance(completion, list | tuple):
        return [*prompt, *completion]
    return None


def _without_marks(example: Mapping[str, Any]) -> RowProblem | None:
    labels, segments = example.get("labels"), example.get("segments")
    if labels is not None and all(label == IGNORED for label in labels):
        return RowProblem("no-trained-token", f"has no label but {IGNORED}, so no token trains")
    if segments is not None and not any(s["train"] and s["text"] for s in segments):
        return RowProblem("no-trained-token", "has no segment that trains")
    return None


def _own_word(message: Message) -> bool | None:
    """What a message says itself; None where it says nothing."""
    if message.get("weight") == 0:
        return False
    if message.get("train") is not None:
        return bool(message["train"])
    spans = message.get("train_spans")
    return None if spans is None else any(span["train"] for span in spans)


def _last_user(messages: Sequence[Message]) -> int:
    places = (i for i in reversed(range(len(messages))) if messages[i]["role"] == "user")
    return next(places, -1)


def _is_empty(message: Message) -> bool:
    content = message.get("content")
    if isinstance(content, list | tuple):
        content = any(part.get("text") or part.get("type") != "text" for part in content)
    return not content and not message.get("tool_calls") and not message.get("reasoning_content")
