"""The shape of a conversation, rendered once for all conversations of that shape.

A skeleton is the rendering of a conversation whose contents are replaced by stand-ins:
the template's own text, and which content goes where. A real rendering that is exactly
the skeleton with the contents put back has its assistant turns at known places. One that
is not (a template that looks into contents) has no answer here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from recipe_runner.execute.tokenize.conversation import Chat, ChatTemplate, Span
from recipe_runner.execute.tokenize.sentinels import Pieces, Slot, slots_of, with_stand_ins
from recipe_runner.execute.tokenize.turns import Borders, is_plain


@dataclass(frozen=True)
class Mark:
    """A place in a skeleton: so many characters into one of its literals."""

    literal: int
    offset: int


@dataclass(frozen=True)
class Skeleton:
    """A rendering without its contents, and its assistant turns."""

    pieces: Pieces
    turns: tuple[tuple[Mark, Mark], ...]

    def spans(self, text: str, contents: tuple[Slot, ...]) -> list[Span] | None:
        """The assistant turns of `text`; None where `text` is not this skeleton filled."""
        starts = self._literal_starts(text, tuple(slot.value for slot in contents))
        if starts is None:
            return None
        return [
            (starts[begin.literal] + begin.offset, starts[end.literal] + end.offset)
            for begin, end in self.turns
        ]

    def _literal_starts(self, text: str, values: tuple[str, ...]) -> list[int] | None:
        literals, slots = self.pieces.literals, self.pieces.slots
        if not text.startswith(literals[0]):
            return None
        starts = [0]
        position = len(literals[0])
        for slot, literal in zip(slots, literals[1:], strict=True):
            for value in _as_rendered(values[slot]):
                begin = position + len(value)
                if text.startswith(value, position) and text.startswith(literal, begin):
                    starts.append(begin)
                    position = begin + len(literal)
                    break
            else:
                return None
        return starts if position == len(text) else None


def shape_of(chat: Chat, slots: tuple[Slot, ...]) -> str:
    """A key that two conversations share where they differ in nothing but their slots' texts."""
    messages = with_stand_ins(chat.messages, slots)
    seen = [messages, chat.tools, dict(chat.kwargs)]
    return json.dumps(seen, default=repr, ensure_ascii=False)


def build(template: ChatTemplate, borders: Borders, chat: Chat) -> Skeleton | None:
    """Render the skeleton of `chat` and find its turns; None where a turn has no sure place."""
    slots = slots_of(chat.messages)
    blank = Chat(tuple(with_stand_ins(chat.messages, slots)), chat.tools, chat.kwargs)
    text = template.attempt(blank, blank.messages)
    if text is None:
        return None
    pieces = Pieces.of(text)
    owners = [slots[slot].message for slot in pieces.slots]
    if owners != sorted(owners):
        return None
    turns = []
    for turn in chat.assistant_turns:
        found = _Turn(template, borders, blank, slots, pieces, turn).marks()
        if found is None:
            return None
        turns.append(found)
    return Skeleton(pieces, tuple(turns))


@dataclass(frozen=True)
class _Turn:
    """One assistant turn of a skeleton."""

    template: ChatTemplate
    borders: Borders
    blank: Chat
    slots: tuple[Slot, ...]
    pieces: Pieces
    index: int

    def marks(self) -> tuple[Mark, Mark] | None:
        own = [k for k, slot in enumerate(self.slots) if slot.message == self.index]
        if [k for k in self.pieces.slots if k in own] != own:
            return None
        # The literal before the turn's content, and the one after it.
        before = sum(self.slots[k].message < self.index for k in self.pieces.slots)
        after = before + len(own)
        begin = self._begin(before, has_content=bool(own))
        if begin is None:
            return None
        end = self._end(after, 0 if own else begin)
        return None if end is None else (Mark(before, begin), Mark(after, end))

    def _begin(self, literal: int, *, has_content: bool) -> int | None:
        earlier = self.blank.messages[: self.index]
        base = self.template.attempt(self.blank, earlier)
        prompted = self.template.attempt(self.blank, earlier, prompt=True)
        generation_prompt = self.borders.generation_prompt(self.blank, base, prompted)
        gap = self.pieces.literals[literal]
        head = self._tail(prompted, literal)
        begin = self.borders.opening(gap, head, generation_prompt)
        if begin is not None or not has_content:
            return begin
        if not generation_prompt and head is not None and self.borders.continues(gap, head):
            return len(head)
        # Without a generation prompt to tell them apart, what stands before the content
        # is the header, and the content itself is sure.
        return len(gap)

    def _end(self, literal: int, begin: int) -> int | None:
        rest = self.pieces.literals[literal]
        closed = self.template.attempt(self.blank, self.blank.messages[: self.index + 1])
        own = self._tail(closed, literal)
        if begin:
            own = own[begin:] if own is not None and own.startswith(rest[:begin]) else None
        plain = is_plain(self.blank.messages[self.index]) and not begin
        length = self.borders.closing(rest[begin:], own, plain=plain)
        return None if length is None else begin + length

    def _tail(self, text: str | None, literal: int) -> str | None:
        """What stands in `text`, a shorter rendering, at the place of a literal."""
        if text is None:
            return None
        shorter = Pieces.of(text)
        same = shorter.slots == self.pieces.slots[:literal]
        return shorter.tail if same else None


def _as_rendered(value: str) -> Iterator[str]:
    """What templates make of a text: itself, trimmed, or JSON."""
    yield value
    for trimmed in (value.strip(), value.lstrip(), value.rstrip()):
        if trimmed != value:
            yield trimmed
    yield json.dumps(value, ensure_ascii=False)
