"""Stand-ins for contents: rendered in their place, they show where a template puts what.

A stand-in is plain letters and digits, so that no template has a reason to trim, quote
or escape it, and it is found again by its pattern.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from recipe_runner.execute.tokenize.conversation import Message, Messages

_PATTERN = re.compile(r"Zq(\d{6})StandInqZ")


@dataclass(frozen=True)
class Slot:
    """A place in a conversation that holds text: a content, or one text part of it."""

    message: int
    part: int | None
    value: str


@dataclass(frozen=True)
class Pieces:
    """A rendered text, cut at the stand-ins: `literals[k]` stands before slot `slots[k]`."""

    literals: tuple[str, ...]
    slots: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> Pieces:
        parts = _PATTERN.split(text)
        return cls(tuple(parts[0::2]), tuple(int(number) for number in parts[1::2]))

    @property
    def tail(self) -> str:
        """What stands after the last stand-in."""
        return self.literals[-1]

    @property
    def last(self) -> int | None:
        """The last slot, None where there is none."""
        return self.slots[-1] if self.slots else None


def stand_in(number: int) -> str:
    """The stand-in with this number, below one million."""
    return f"Zq{number:06d}StandInqZ"


def slots_of(messages: Messages) -> tuple[Slot, ...]:
    """Every text of the messages' contents that is not empty, in order.

    An empty text is no slot: templates take other branches for it.
    """
    slots = []
    for i, message in enumerate(messages):
        content = message.get("content")
        if isinstance(content, str):
            if content.strip():
                slots.append(Slot(i, None, content))
        elif isinstance(content, list | tuple):
            for j, part in enumerate(content):
                text = part.get("text") if isinstance(part, dict) else None
                if isinstance(text, str) and text.strip():
                    slots.append(Slot(i, j, text))
    return tuple(slots)


def with_stand_ins(messages: Messages, slots: tuple[Slot, ...]) -> list[Message]:
    """The messages with the slots' texts replaced; slot k becomes `stand_in(k)`."""
    replaced: list[dict[str, Any]] = [dict(message) for message in messages]
    for number, slot in enumerate(slots):
        if slot.part is None:
            replaced[slot.message]["content"] = stand_in(number)
        else:
            parts = list(replaced[slot.message]["content"])
            parts[slot.part] = {**parts[slot.part], "text": stand_in(number)}
            replaced[slot.message]["content"] = parts
    return list(replaced)
