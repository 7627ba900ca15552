"""Which characters of a rendered conversation are whose, for any chat template.

Three ways, the surest first:

1. The template's own `{% generation %}` markers, exactly, for what the assistant wrote.
2. The conversation's skeleton, see `skeleton.py`.
3. Differences that single messages make, see `differences.py`.

Where none gives a sure answer the row is refused; a row is never trained whole instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from recipe_runner.execute.tokenize.conversation import Chat, ChatTemplate, Span
from recipe_runner.execute.tokenize.differences import Differences
from recipe_runner.execute.tokenize.sentinels import slots_of
from recipe_runner.execute.tokenize.skeleton import Skeleton, build, shape_of
from recipe_runner.execute.tokenize.turns import Borders, Turn
from recipe_runner.rows import RowProblem

# Shapes are few where messages are plain; tool calls make one per row.
_MOST_SHAPES = 1024


@dataclass(frozen=True)
class TurnFinder:
    """Finds the turns of conversations in their renderings by one template."""

    template: ChatTemplate
    borders: Borders
    _skeletons: dict[bytes, Skeleton | None] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, template: ChatTemplate, end_tokens: tuple[str, ...] = ()) -> TurnFinder:
        """`end_tokens` are the texts that end a turn; where there are none they are found."""
        return cls(template, Borders(template, end_tokens))

    def find(self, chat: Chat, wanted: Sequence[int]) -> tuple[str, dict[int, Turn]]:
        """The chat's text, and the turns of the `wanted` messages in it.

        Raises `RowProblem`: "template-refused", "mask-unknown".
        """
        text = self.template.render(chat, chat.messages)
        try:
            return text, self.turns(chat, text, wanted)
        except RowProblem:
            again = self.template.render(chat, chat.messages)
            if again == text:
                raise
            # The template writes the date or the time, and it changed between renderings.
            return again, self.turns(chat, again, wanted)

    def turns(self, chat: Chat, text: str, wanted: Sequence[int]) -> dict[int, Turn]:
        """The turns of the `wanted` messages in `text`, a rendering of the chat.

        Raises `RowProblem("mask-unknown")`.
        """
        found = self._by_skeleton(chat, text, wanted) or {}
        if len(found) < len(wanted):
            differences = Differences(self.template, self.borders, chat, text)
            for place in wanted:
                turn = found.get(place) or differences.turn(place)
                if turn is None:
                    raise unknown(chat, place)
                found[place] = turn
            reached = 0
            for place in sorted(found, key=lambda place: found[place].begin):
                if found[place].begin < reached:
                    raise unknown(chat, place)
                reached = found[place].end
        return found

    def marked(self, chat: Chat) -> tuple[str, list[Span]]:
        """The chat's text, and what the template's generation markers hold, in order."""
        return self.template.render_with_markers(chat, chat.messages)

    def marked_turns(self, chat: Chat, spans: list[Span]) -> dict[int, list[Span]]:
        """The marked spans of each assistant message: a turn may have several.

        Raises `RowProblem("mask-unknown")`.
        """
        turns = chat.assistant_turns
        if len(turns) == 1:
            return {turns[0]: spans}
        if len(turns) == len(spans):
            return {turn: [span] for turn, span in zip(turns, spans, strict=True)}
        begins = [0, *(self._marked_before(chat, turn) for turn in turns[1:]), len(spans)]
        for turn, begin, end in zip(turns, begins, begins[1:], strict=False):
            if begin > end:
                raise unknown(chat, turn)
        return {
            turn: spans[begin:end]
            for turn, begin, end in zip(turns, begins, begins[1:], strict=False)
        }

    def _marked_before(self, chat: Chat, turn: int) -> int:
        """How many marked spans the messages before `turn` have."""
        try:
            return len(self.template.render_with_markers(chat, chat.messages[:turn])[1])
        except RowProblem as problem:
            raise unknown(chat, turn) from problem

    def _by_skeleton(self, chat: Chat, text: str, wanted: Sequence[int]) -> dict[int, Turn] | None:
        slots = slots_of(chat.messages)
        shape = shape_of(chat, slots)
        if shape not in self._skeletons:
            if len(self._skeletons) >= _MOST_SHAPES:
                self._skeletons.clear()
            self._skeletons[shape] = build(self.template, self.borders, chat)
        skeleton = self._skeletons[shape]
        return skeleton.turns(text, slots, wanted) if skeleton is not None else None


def unknown(chat: Chat, place: int) -> RowProblem:
    """The problem of a conversation whose message at `place` has no sure place in the text."""
    role = chat.messages[place]["role"]
    return RowProblem(
        "mask-unknown",
        f"has no sure label mask: the chat template renders message {place + 1} in a "
        f"way that does not show where the {role}'s turn begins and ends",
    )
