"""Turns by differences: one message at a time is replaced by a stand-in.

What stands before and after it in that rendering stands before and after the turn in the
real one, whatever the template makes of the content (Qwen3 drops the thinking of earlier
turns). This costs several renderings per turn, so it is asked where a skeleton has no answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from recipe_runner.execute.tokenize.conversation import Chat, ChatTemplate, Message, Span
from recipe_runner.execute.tokenize.sentinels import Pieces, slots_of, stand_in, with_stand_ins
from recipe_runner.execute.tokenize.turns import Borders, Tail, Turn, is_plain


@dataclass(frozen=True)
class Differences:
    """The differences that the messages of one conversation make to its `text`."""

    template: ChatTemplate
    borders: Borders
    chat: Chat
    text: str

    def turn(self, place: int) -> Turn | None:
        """The turn of the message at `place`; None where the differences do not show it."""
        if self.chat.messages[place]["role"] != "assistant":
            return self._other(place)
        found = self._assistant(place)
        return found if found is not None and found.end <= self._before_later(place) else None

    def _assistant(self, place: int) -> Turn | None:
        message = self.chat.messages[place]
        variants: list[Message] = [
            {"role": "assistant", "content": stand_in(0)},
            {**message, "content": stand_in(0)},
        ]
        for variant in variants:
            other = self._replace({place: variant})
            rendered = self.template.attempt(self.chat, other)
            if rendered is None:
                continue
            pieces = Pieces.of(rendered)
            # A content that is written twice, or that the template leaves out.
            if len(pieces.slots) > 1 or (not pieces.slots and "tool_calls" not in message):
                return None
            if not pieces.slots or not self.text.endswith(pieces.tail):
                continue
            before, after = pieces.literals
            begin = self._begin(place, before)
            content_end = len(self.text) - len(after)
            closed = self.template.attempt(self.chat, other[: place + 1])
            own = Pieces.of(closed).tail if closed is not None else None
            tail = self.borders.closing(after, own, plain=is_plain(variant))
            if begin is not None and tail is not None and begin <= content_end:
                content = (len(before), content_end) if self.text.startswith(before) else None
                if content is not None and content[0] > content[1]:
                    content = None
                return _followed(begin, content_end, tail, content)
        return self._by_prefix(place)

    def _other(self, place: int) -> Turn | None:
        """A turn of another role: its content, where it is what the stand-in shows."""
        message = self.chat.messages[place]
        other = self._replace({place: {**message, "content": stand_in(0)}})
        rendered = self.template.attempt(self.chat, other)
        pieces = Pieces.of(rendered) if rendered is not None else None
        if pieces is None or pieces.slots != (0,):
            return None
        before, after = pieces.literals
        end = len(self.text) - len(after)
        if not (self.text.startswith(before) and self.text.endswith(after) and len(before) <= end):
            return None
        content = message.get("content") or ""
        written = self.text[len(before) : end]
        if not isinstance(content, str) or written.strip() != content.strip():
            return None
        closed = self.template.attempt(self.chat, other[: place + 1])
        own = Pieces.of(closed).tail if closed is not None else None
        tail = self.borders.ending(after, own)
        return _followed(len(before), end, tail, (len(before), end))

    def _before_later(self, place: int) -> int:
        """How much of the text is surely before the contents of the messages after `place`.

        Some templates write the answer of a tool into the turn that called it.
        """
        messages = self.chat.messages
        later = slots_of(messages[place + 1 :])
        replaced = with_stand_ins(messages[place + 1 :], later)
        rendered = self.template.attempt(self.chat, (*messages[: place + 1], *replaced))
        if rendered is None:
            return 0
        pieces = Pieces.of(rendered)
        first = pieces.literals[0]
        if pieces.slots and not self.text.startswith(first):
            return 0
        return len(first) if pieces.slots else len(self.text)

    def _begin(self, place: int, before: str) -> int | None:
        earlier = self.chat.messages[:place]
        base = self.template.attempt(self.chat, earlier)
        prompted = self.template.attempt(self.chat, earlier, prompt=True)
        generation_prompt = self.borders.generation_prompt(self.chat, base, prompted)
        if generation_prompt and prompted is not None:
            parting = self.borders.parting(self.text, prompted, generation_prompt)
            if parting is not None:
                return parting
        begin = len(before)
        if generation_prompt:
            gap = self._gap(place)
            if gap is None or not before.endswith(gap):
                return None
            offset = self.borders.opening(gap, None, generation_prompt)
            begin -= 0 if offset is None else len(gap) - offset
        return begin if self.text.startswith(before[:begin]) else None

    def _gap(self, place: int) -> str | None:
        """The template's text between the message before and this one, without their contents."""
        content = {"role": "assistant", "content": stand_in(1)}
        if place == 0:
            text = self.template.attempt(self.chat, self._replace({0: content}))
            return Pieces.of(text).literals[0] if text is not None else None
        previous = {**self.chat.messages[place - 1], "content": stand_in(0)}
        other = self._replace({place - 1: previous, place: content})
        text = self.template.attempt(self.chat, other)
        pieces = Pieces.of(text) if text is not None else None
        return pieces.literals[1] if pieces is not None and pieces.slots == (0, 1) else None

    def _by_prefix(self, place: int) -> Turn | None:
        """The turn between two renderings that the text begins with."""
        earlier, message = self.chat.messages[:place], self.chat.messages[place]
        base = self.template.attempt(self.chat, earlier)
        prompted = self.template.attempt(self.chat, earlier, prompt=True)
        if base is None or prompted in (None, base) or not self.text.startswith(prompted or ""):
            return None
        begin = len(prompted or "")
        for variant in (message, {**message, "content": ""}):
            # Tool calls may be rendered without the content beside them.
            if self.template.attempt(self.chat, self._replace({place: variant})) == self.text:
                closed = (self.template.attempt(self.chat, (*earlier, variant)) or "").rstrip()
                if self.text.startswith(closed) and len(closed) >= begin:
                    tail = self.borders.closing(self.text[begin:], closed[begin:], plain=False)
                    return None if tail is None else _followed(begin, begin, tail, None)
        return None

    def _replace(self, replaced: dict[int, Message]) -> tuple[Message, ...]:
        return tuple(replaced.get(i, message) for i, message in enumerate(self.chat.messages))


def _followed(begin: int, content_end: int, tail: Tail, content: Span | None) -> Turn:
    return Turn(begin, content_end + tail.close, content_end + tail.end, content)
