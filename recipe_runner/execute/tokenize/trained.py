"""Which characters of a rendered conversation train, and with which weight."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from recipe_runner.execute.tokenize.conversation import Chat, Message, Span
from recipe_runner.execute.tokenize.spans import TurnFinder, unknown
from recipe_runner.execute.tokenize.turns import Turn
from recipe_runner.plan import LossPlan
from recipe_runner.rows import RowProblem
from recipe_runner.rows.answers import has_own_word, nothing_chosen, trained_messages

Factor = tuple[Span, float]
"""Characters, and what the loss of their tokens is multiplied by; by 0 they do not train."""


@dataclass(frozen=True)
class Trained:
    """The characters of `text` that train, in order, and the factors of some of them."""

    text: str
    spans: tuple[Span, ...]
    factors: tuple[Factor, ...] = ()


@dataclass(frozen=True)
class _Piece:
    """One turn: what its speaker wrote, in one or more spans, and what ends it."""

    spans: tuple[Span, ...]
    closer: Span | None
    content: Span | None = None

    @property
    def whole(self) -> tuple[Span, ...]:
        if self.closer is None:
            return self.spans
        if self.spans and self.spans[-1][1] == self.closer[0]:
            return (*self.spans[:-1], (self.spans[-1][0], self.closer[1]))
        return (*self.spans, self.closer)


@dataclass(frozen=True)
class Chooser:
    """Chooses what trains in conversations, as a `LossPlan` says and their messages say."""

    finder: TurnFinder
    loss: LossPlan

    def __call__(self, chat: Chat, first: int = 0) -> Trained:
        """What trains of the messages from `first` on.

        Raises `RowProblem`: "no-assistant-turn", "no-trained-turn", "template-refused",
        "mask-unknown", "train-spans-do-not-fit".
        """
        chosen = trained_messages(chat.given, self.loss, first)
        if not chosen:
            raise nothing_chosen(chat.given, self.loss)
        own = has_own_word(chat.given)
        if self._is_plain and not own:
            if self.loss.roles == ("assistant",) and self.finder.template.has_markers(chat):
                text, spans = self.finder.marked(chat)
                if chosen != chat.assistant_turns:
                    grouped = self.finder.marked_turns(chat, spans)
                    spans = [span for place in chosen for span in grouped[place]]
                return Trained(text, tuple(spans))
            text, turns = self.finder.find(chat, chosen)
            found = (_piece_of(turns[place], chat.messages[place]) for place in chosen)
            return Trained(text, tuple(span for piece in found for span in piece.whole))
        return self._finely(chat, chosen, first)

    @cached_property
    def _is_plain(self) -> bool:
        loss = self.loss
        return loss.end_of_turn == "turn" and not loss.end_of_turn_tokens and not loss.weights

    @cached_property
    def _patterns(self) -> tuple[tuple[re.Pattern[str], float], ...]:
        return tuple((re.compile(text), factor) for text, factor in self.loss.weights.items())

    def _finely(self, chat: Chat, chosen: Sequence[int], first: int) -> Trained:
        everyone = range(first, len(chat.messages))
        text, pieces = self._pieces(
            chat, tuple(everyone) if self.loss.end_of_turn == "all" else chosen
        )
        spans: list[Span] = []
        factors: list[Factor] = []
        for place in chosen:
            piece, message = pieces[place], chat.given[place]
            written = _marked_characters(text, piece, message, chat, place)
            spans += written
            weight = message.get("weight")
            if weight is not None and weight != 1:
                factors += [(span, float(weight)) for span in piece.whole]
            factors += self.matches(text, piece.whole)
        spans += [c for place in self._closing(chosen, everyone) if (c := pieces[place].closer)]
        return Trained(text, _joined(spans), tuple(factors))

    def matches(self, text: str, spans: Sequence[Span]) -> Iterator[Factor]:
        """What `loss.weights` match in one turn, which stands in `spans` of `text`."""
        if not spans or not self._patterns:
            return
        begin, end = spans[0][0], spans[-1][1]
        written = text[begin:end]
        for pattern, factor in self._patterns:
            for match in pattern.finditer(written):
                if match.start() < match.end():
                    yield (begin + match.start(), begin + match.end()), factor

    def _closing(self, chosen: Sequence[int], everyone: Sequence[int]) -> Sequence[int]:
        """The messages whose end-of-turn trains."""
        match self.loss.end_of_turn:
            case "turn":
                return chosen
            case "last":
                return chosen[-1:]
            case "all":
                return everyone
            case _:
                return ()

    def _pieces(self, chat: Chat, wanted: Sequence[int]) -> tuple[str, dict[int, _Piece]]:
        if not self.finder.template.has_markers(chat):
            text, turns = self.finder.find(chat, wanted)
            return text, {p: _piece_of(turn, chat.messages[p]) for p, turn in turns.items()}
        text, spans = self.finder.marked(chat)
        marked = self.finder.marked_turns(chat, spans) if chat.assistant_turns else {}
        # Marks say what the assistant wrote; the place of its content they do not say.
        others = [
            place
            for place in wanted
            if place not in marked or chat.given[place].get("train_spans") is not None
        ]
        turns = self.finder.turns(chat, text, others)
        pieces = {p: _piece_of(turn, chat.messages[p]) for p, turn in turns.items()}
        for place in wanted:
            if place in marked:
                content = turns[place].content if place in turns else None
                pieces[place] = self._marked_piece(text, marked[place], content)
        return text, pieces

    def _marked_piece(self, text: str, spans: list[Span], content: Span | None) -> _Piece:
        if not spans:
            return _Piece((), None, content)
        begin, end = spans[-1]
        closer = self.finder.borders.closer_of(text, begin, end)
        inside = closer is not None and closer[1] <= end
        if closer is not None and inside:
            return _Piece((*spans[:-1], (begin, closer[0])), closer, content)
        # A template whose markers leave the end of the turn outside does not train it,
        # unless it was asked for in other words than the default's.
        asked = self.loss.end_of_turn != "turn" or self.loss.end_of_turn_tokens
        return _Piece(tuple(spans), closer if asked else None, content)


def _piece_of(turn: Turn, message: Message) -> _Piece:
    closer = (turn.close, turn.end) if turn.close < turn.end else None
    if message["role"] != "assistant" and turn.content is not None:
        # What a template writes around the answer of a tool, nobody said.
        return _Piece((turn.content,), closer, turn.content)
    return _Piece(((turn.begin, turn.close),), closer, turn.content)


def _marked_characters(
    text: str, piece: _Piece, message: Message, chat: Chat, place: int
) -> list[Span]:
    """The characters of a turn that train: all, or those that `train_spans` mark."""
    marks = message.get("train_spans")
    if marks is None:
        return list(piece.spans)
    content, value = piece.content, message.get("content")
    if content is None or not isinstance(value, str):
        raise unknown(chat, place)
    start, end = content
    written = text[start:end]
    # Trimmed is sure too: what is left of the content stands in one piece.
    if written in (value, value.rstrip()):
        shift = start
    elif written in (value.strip(), value.lstrip()):
        shift = start - (len(value) - len(value.lstrip()))
    else:
        raise unknown(chat, place)
    found: list[Span] = []
    left_out: list[Span] = []
    for mark in marks:
        if not 0 <= mark["begin"] <= mark["end"] <= len(value):
            raise RowProblem(
                "train-spans-do-not-fit",
                f"marks the characters {mark['begin']} to {mark['end']} of message {place + 1}, "
                f"which has {len(value)}",
            )
        begin, stop = max(start, shift + mark["begin"]), min(end, shift + mark["end"])
        if begin < stop:
            (found if mark["train"] else left_out).append((begin, stop))
    return _without(_joined(found), left_out)


def _without(spans: Sequence[Span], left_out: Sequence[Span]) -> list[Span]:
    """The spans without the characters of others."""
    found = list(spans)
    for first, last in left_out:
        cut = [
            part
            for begin, end in found
            for part in ((begin, min(end, first)), (max(begin, last), end))
        ]
        found = [(begin, end) for begin, end in cut if begin < end]
    return found


def _joined(spans: list[Span]) -> tuple[Span, ...]:
    """The spans in order; those that touch become one."""
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        elif begin < end:
            joined.append((begin, end))
    return tuple(joined)
