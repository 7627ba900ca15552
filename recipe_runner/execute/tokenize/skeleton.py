"""The shape of a conversation, rendered once for all conversations of that shape.

A skeleton is the rendering of a conversation whose contents are replaced by stand-ins:
the template's own text, and which content goes where. A real rendering that is exactly
the skeleton with the contents put back has its turns at known places. One that
is not (a template that looks into contents) has no answer here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from recipe_runner.execute.tokenize.conversation import Chat, ChatTemplate
from recipe_runner.execute.tokenize.sentinels import Pieces, Slot, slots_of, with_stand_ins
from recipe_runner.execute.tokenize.turns import Borders, Turn, is_plain


@dataclass(frozen=True)
class Mark:
    """A place in a skeleton: so many characters into one of its literals."""

    literal: int
    offset: int


@dataclass(frozen=True)
class Marks:
    """The places of a `Turn` in a skeleton; a turn without a content has no `content`.

    Where a prompt for the turn would go on behind `begin`, it does so with `prompted`.
    """

    begin: Mark
    close: Mark
    end: Mark
    content: tuple[Mark, Mark] | None
    prompted: str = ""


@dataclass(frozen=True)
class Skeleton:
    """A rendering without its contents, and the turns that were looked for in it so far."""

    pieces: Pieces
    look: Callable[[int], Marks | None] = field(repr=False)
    _turns: dict[int, Marks | None] = field(default_factory=dict, repr=False)

    def turns(
        self, text: str, contents: tuple[Slot, ...], wanted: Sequence[int]
    ) -> dict[int, Turn] | None:
        """The wanted messages' turns in `text`, those that have a sure place.

        None where `text` is not this skeleton filled.
        """
        starts = self._literal_starts(text, tuple(slot.value for slot in contents))
        if starts is None:
            return None
        found = {}
        for message in wanted:
            if message not in self._turns:
                self._turns[message] = self.look(message)
            marks = self._turns[message]
            if marks is not None:
                found[message] = _turn(marks, starts, text)
        return found

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


def shape_of(chat: Chat, slots: tuple[Slot, ...]) -> bytes:
    """A key that two conversations share where they differ in nothing but their slots' texts."""
    messages = with_stand_ins(chat.messages, slots)
    seen = json.dumps([messages, chat.tools, dict(chat.kwargs)], default=repr, ensure_ascii=False)
    # Tool schemas are long, and a conversation with calls has a shape of its own.
    return hashlib.blake2b(seen.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def build(template: ChatTemplate, borders: Borders, chat: Chat) -> Skeleton | None:
    """Render the skeleton of `chat`; None where the template refuses it."""
    slots = slots_of(chat.messages)
    blank = Chat(tuple(with_stand_ins(chat.messages, slots)), chat.tools, chat.kwargs)
    text = template.attempt(blank, blank.messages)
    if text is None:
        return None
    pieces = Pieces.of(text)
    return Skeleton(pieces, lambda turn: _Seeker(template, borders, blank, slots, pieces, turn)())


def _turn(marks: Marks, starts: list[int], text: str) -> Turn:
    def place(mark: Mark) -> int:
        return starts[mark.literal] + mark.offset

    content = None if marks.content is None else (place(marks.content[0]), place(marks.content[1]))
    begin, close = place(marks.begin), place(marks.close)
    # An answer may begin with what the prompt ends with, such as the opening of a thought.
    if marks.prompted and text.startswith(marks.prompted, begin, close):
        begin += len(marks.prompted)
    return Turn(begin, close, place(marks.end), content)


@dataclass(frozen=True)
class _Seeker:
    """Looks for one message in a skeleton."""

    template: ChatTemplate
    borders: Borders
    blank: Chat
    slots: tuple[Slot, ...]
    pieces: Pieces
    index: int

    def __call__(self) -> Marks | None:
        own = [k for k, slot in enumerate(self.slots) if slot.message == self.index]
        if not own:
            return self._without_content()
        written = [k for k in self.pieces.slots if k in own]
        before = self.pieces.slots.index(own[0]) if written == own else None
        if before is None or list(self.pieces.slots[before : before + len(own)]) != own:
            return None
        # The literal before the turn's content, and the one after it.
        after = before + len(own)
        rest = self.pieces.literals[after]
        content = Mark(before, len(self.pieces.literals[before])), Mark(after, 0)
        closed = self._tail(self._closed(), after)
        message = self.blank.messages[self.index]
        if message["role"] != "assistant":
            tail = self.borders.ending(rest, closed)
            return Marks(content[0], Mark(after, tail.close), Mark(after, tail.end), content)
        begin, prompted = self._begin(before, has_content=True)
        found = self.borders.closing(rest, closed, plain=is_plain(message))
        if begin is None or found is None:
            return None
        close, end = Mark(after, found.close), Mark(after, found.end)
        return Marks(Mark(before, begin), close, end, content, prompted)

    def _without_content(self) -> Marks | None:
        """The place of an assistant's turn that has calls only, or nothing at all."""
        owners = [self.slots[slot].message for slot in self.pieces.slots]
        if owners != sorted(owners) or self.blank.messages[self.index]["role"] != "assistant":
            return None
        literal = sum(message < self.index for message in owners)
        begin, prompted = self._begin(literal, has_content=False)
        if begin is None:
            return None
        rest = self.pieces.literals[literal]
        own = self._tail(self._closed(), literal)
        own = own[begin:] if own is not None and own.startswith(rest[:begin]) else None
        plain = is_plain(self.blank.messages[self.index]) and not begin
        found = self.borders.closing(rest[begin:], own, plain=plain)
        if found is None:
            return None
        close, end = Mark(literal, begin + found.close), Mark(literal, begin + found.end)
        return Marks(Mark(literal, begin), close, end, None, prompted)

    def _closed(self) -> str | None:
        return self.template.attempt(self.blank, self.blank.messages[: self.index + 1])

    def _begin(self, literal: int, *, has_content: bool) -> tuple[int | None, str]:
        """Where in a literal the turn begins, and what a prompt would go on with there."""
        earlier = self.blank.messages[: self.index]
        base = self.template.attempt(self.blank, earlier)
        prompted = self.template.attempt(self.blank, earlier, prompt=True)
        generation_prompt = self.borders.generation_prompt(self.blank, base, prompted)
        gap = self.pieces.literals[literal]
        head = self._tail(prompted, literal)
        begin = self.borders.opening(gap, head, generation_prompt)
        if begin is not None:
            known = head is not None and head[:begin] == gap[:begin]
            return begin, head[begin:] if known and head is not None else ""
        if not has_content:
            return None, ""
        if not generation_prompt and head is not None and self.borders.continues(gap, head):
            return len(head), ""
        # Without a generation prompt to tell them apart, what stands before the content
        # is the header, and the content itself is sure.
        return len(gap), ""

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
