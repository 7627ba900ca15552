"""Which characters of a rendered conversation the assistant wrote, for any chat template.

Three ways, the surest first:

1. The template's own `{% generation %}` markers, exactly.
2. The conversation's skeleton, see `skeleton.py`.
3. Differences: one assistant message at a time is replaced by a stand-in. What stands
   before and after it in that rendering stands before and after the turn in the real one,
   whatever the template makes of the content (Qwen3 drops the thinking of earlier turns).

Where none gives a sure answer the row is refused; a row is never trained whole instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from recipe_runner.execute.tokenize.conversation import Chat, ChatTemplate, Message, Span
from recipe_runner.execute.tokenize.sentinels import Pieces, slots_of, stand_in, with_stand_ins
from recipe_runner.execute.tokenize.skeleton import Skeleton, build, shape_of
from recipe_runner.execute.tokenize.turns import Borders, is_plain
from recipe_runner.rows import RowProblem

# Shapes are few where messages are plain; tool calls make one per row.
_MOST_SHAPES = 4096


@dataclass(frozen=True)
class TurnFinder:
    """Finds the assistant's turns in renderings of one template."""

    template: ChatTemplate
    borders: Borders
    _skeletons: dict[str, Skeleton | None] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, template: ChatTemplate) -> TurnFinder:
        return cls(template, Borders(template))

    def render(self, chat: Chat, *, last_only: bool) -> tuple[str, list[Span]]:
        """The chat's text and the spans to train: every assistant turn, or the last one's.

        Raises `RowProblem`: "no-assistant-turn", "template-refused", "mask-unknown".
        """
        if not chat.assistant_turns:
            roles = ", ".join(dict.fromkeys(str(m["role"]) for m in chat.messages)) or "none"
            raise RowProblem(
                "no-assistant-turn", f"has no turn of the assistant to train on; its roles: {roles}"
            )
        if self.template.has_markers(chat):
            text, spans = self.template.render_with_markers(chat, chat.messages)
            return text, self._last_marked(chat, spans) if last_only else spans
        text = self.template.render(chat, chat.messages)
        try:
            spans = self._spans(chat, text)
        except RowProblem:
            again = self.template.render(chat, chat.messages)
            if again == text:
                raise
            # The template writes the date or the time, and it changed between renderings.
            text, spans = again, self._spans(chat, again)
        return text, spans[-1:] if last_only else spans

    def _spans(self, chat: Chat, text: str) -> list[Span]:
        return self._by_skeleton(chat, text) or self._by_difference(chat, text)

    def _last_marked(self, chat: Chat, spans: list[Span]) -> list[Span]:
        """The marked spans of the last turn: a turn may have several."""
        last = chat.assistant_turns[-1]
        if len(chat.assistant_turns) == 1:
            return spans
        _, earlier = self.template.render_with_markers(chat, chat.messages[:last])
        return spans[len(earlier) :]

    def _by_skeleton(self, chat: Chat, text: str) -> list[Span] | None:
        slots = slots_of(chat.messages)
        shape = shape_of(chat, slots)
        if shape not in self._skeletons:
            if len(self._skeletons) >= _MOST_SHAPES:
                self._skeletons.clear()
            self._skeletons[shape] = build(self.template, self.borders, chat)
        skeleton = self._skeletons[shape]
        return skeleton.spans(text, slots) if skeleton is not None else None

    def _by_difference(self, chat: Chat, text: str) -> list[Span]:
        spans = []
        reached = 0
        for turn in chat.assistant_turns:
            span = self._turn_by_difference(chat, text, turn)
            limit = self._before_later(chat, text, turn)
            if span is None or not reached <= span[0] <= span[1] <= limit:
                raise RowProblem(
                    "mask-unknown",
                    f"has no sure label mask: the chat template renders message {turn + 1} in a "
                    "way that does not show where the assistant's turn begins and ends",
                )
            reached = span[1]
            spans.append(span)
        return spans

    def _before_later(self, chat: Chat, text: str, turn: int) -> int:
        """How much of `text` is surely before the contents of the messages after `turn`.

        Some templates write the answer of a tool into the turn that called it.
        """
        later = slots_of(chat.messages[turn + 1 :])
        replaced = with_stand_ins(chat.messages[turn + 1 :], later)
        rendered = self.template.attempt(chat, (*chat.messages[: turn + 1], *replaced))
        if rendered is None:
            return 0
        pieces = Pieces.of(rendered)
        first = pieces.literals[0]
        if pieces.slots and not text.startswith(first):
            return 0
        return len(first) if pieces.slots else len(text)

    def _turn_by_difference(self, chat: Chat, text: str, turn: int) -> Span | None:
        message = chat.messages[turn]
        variants: list[Message] = [
            {"role": "assistant", "content": stand_in(0)},
            {**message, "content": stand_in(0)},
        ]
        for variant in variants:
            other = self._replace(chat, {turn: variant})
            rendered = self.template.attempt(chat, other)
            if rendered is None:
                continue
            pieces = Pieces.of(rendered)
            # A content that is written twice, or that the template leaves out.
            if len(pieces.slots) > 1 or (not pieces.slots and "tool_calls" not in message):
                return None
            if not pieces.slots or not text.endswith(pieces.tail):
                continue
            before, after = pieces.literals
            begin = self._begin(chat, text, turn, before)
            content_end = len(text) - len(after)
            closed = self.template.attempt(chat, other[: turn + 1])
            own = Pieces.of(closed).tail if closed is not None else None
            length = self.borders.closing(after, own, plain=is_plain(variant))
            if begin is not None and length is not None and begin <= content_end:
                return begin, content_end + length
        return self._by_prefix(chat, text, turn)

    def _begin(self, chat: Chat, text: str, turn: int, before: str) -> int | None:
        earlier = chat.messages[:turn]
        base = self.template.attempt(chat, earlier)
        prompted = self.template.attempt(chat, earlier, prompt=True)
        generation_prompt = self.borders.generation_prompt(chat, base, prompted)
        if generation_prompt and prompted is not None:
            parting = self.borders.parting(text, prompted, generation_prompt)
            if parting is not None:
                return parting
        begin = len(before)
        if generation_prompt:
            gap = self._gap(chat, turn)
            if gap is None or not before.endswith(gap):
                return None
            offset = self.borders.opening(gap, None, generation_prompt)
            begin -= 0 if offset is None else len(gap) - offset
        return begin if text.startswith(before[:begin]) else None

    def _gap(self, chat: Chat, turn: int) -> str | None:
        """The template's text between the message before and this one, without their contents."""
        content = {"role": "assistant", "content": stand_in(1)}
        if turn == 0:
            text = self.template.attempt(chat, self._replace(chat, {0: content}))
            return Pieces.of(text).literals[0] if text is not None else None
        previous = {**chat.messages[turn - 1], "content": stand_in(0)}
        text = self.template.attempt(chat, self._replace(chat, {turn - 1: previous, turn: content}))
        pieces = Pieces.of(text) if text is not None else None
        return pieces.literals[1] if pieces is not None and pieces.slots == (0, 1) else None

    def _by_prefix(self, chat: Chat, text: str, turn: int) -> Span | None:
        """The turn between two renderings that the text begins with."""
        earlier, message = chat.messages[:turn], chat.messages[turn]
        base = self.template.attempt(chat, earlier)
        prompted = self.template.attempt(chat, earlier, prompt=True)
        if base is None or prompted is None or prompted == base or not text.startswith(prompted):
            return None
        for variant in (message, {**message, "content": ""}):
            # Tool calls may be rendered without the content beside them.
            if self.template.attempt(chat, self._replace(chat, {turn: variant})) == text:
                closed = (self.template.attempt(chat, (*earlier, variant)) or "").rstrip()
                if text.startswith(closed) and len(closed) >= len(prompted):
                    return len(prompted), len(closed)
        return None

    @staticmethod
    def _replace(chat: Chat, replaced: dict[int, Message]) -> tuple[Message, ...]:
        return tuple(replaced.get(i, message) for i, message in enumerate(chat.messages))
