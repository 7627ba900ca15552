"""Where a turn begins and ends inside the text around its content.

An assistant's turn begins where the generation prompt ends, because that is where the model takes
over, and ends with the marker that closes it. The white space after the marker is the
template's and is not trained: nobody asks the model for it. A turn of another role is its
content as it is written, and what closes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from recipe_runner.execute.tokenize.conversation import (
    Chat,
    ChatTemplate,
    Message,
    Span,
    shared_length,
)
from recipe_runner.execute.tokenize.sentinels import Pieces, stand_in

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Turn:
    """Where one message stands in a rendered conversation, in characters.

    From `begin` the speaker writes, from `close` to `end` stands what ends the turn (nothing
    where both are equal). `content` is where the message's content stands, where that is known.
    """

    begin: int
    close: int
    end: int
    content: Span | None = None


@dataclass(frozen=True)
class Tail:
    """What follows a content and belongs to its turn: the turn's end stands from `close` to `end`.

    Both count from the end of the content.
    """

    close: int
    end: int


@dataclass(frozen=True)
class Borders:
    """The turn borders of one template.

    `end_tokens` are the texts that end a turn; where there are none they are found.
    """

    template: ChatTemplate
    end_tokens: tuple[str, ...] = ()

    def opening(self, gap: str, head: str | None, generation_prompt: str) -> int | None:
        """Where in `gap` the turn begins; None where `gap` does not tell.

        `gap` is the template's text between the content before the turn and the turn's own.
        `head` is what stands at the place of the gap when the conversation stops there and
        the generation prompt is added, None where the template refuses that.
        """
        if not generation_prompt:
            return None
        begin = None if head is None else self.parting(gap, head, generation_prompt)
        if begin is None and gap.count(generation_prompt) == 1:
            return gap.index(generation_prompt) + len(generation_prompt)
        return begin

    def continues(self, gap: str, head: str) -> bool:
        """True where the model goes on without a header, as Gemma 4 does after a tool's answer.

        `gap` goes on from `head`, to which this template adds no generation prompt here; it
        adds one elsewhere, and nothing of that is in the gap.
        """
        tokens = self._next_tokens[None]
        rest = gap[len(head) :]
        return gap.startswith(head) and bool(tokens) and not any(t in rest for t in tokens)

    def parting(self, text: str, head: str, generation_prompt: str) -> int | None:
        """Where `text` parts from `head`, a prompt that ends with `generation_prompt`.

        The prompt may go on where the turn does not: a generation prompt that opens a
        thought, before an answer without one. The turn then begins at the last end of a
        line or of a special token that they share, if the generation prompt has one.
        """
        shared = shared_length(text, head)
        if shared in (len(head), len(text)):
            return shared
        base = len(head) - len(generation_prompt)
        edges = [found.end() for found in self._edge.finditer(head, base, shared)]
        return edges[-1] if edges else None

    def closing(self, rest: str, own: str | None, *, plain: bool) -> Tail | None:
        """What of `rest`, the text after an assistant's content, still belongs to the turn.

        `own` is what stands there when the conversation ends with this turn. A turn is
        `plain` where it calls no tool; in others, `rest` begins with the calls. None where
        it cannot be told.
        """
        closed = (own or "").rstrip()
        follows = bool(closed) and rest.startswith(closed)
        if self.end_tokens:
            return self._named(rest, closed if follows else "", plain=plain)
        if follows:
            if not plain:
                return Tail(self._last_token(closed), len(closed))
            special = self._special.search(closed)
            return Tail(0, len(closed) if special is None else special.end())
        if not plain:
            return None
        # The template closes the last turn otherwise than the others, or leaves it to the
        # next message to close the turn before.
        special = self._special.match(rest, _indent(rest))
        closes = False if special is None else self._closes(special.group(1))
        if special is None or not closes:
            sure = (not closed and closes is not None) or (special is None and self._never_closes)
            return Tail(0, 0) if sure else None
        return Tail(0, special.end(1))

    def ending(self, rest: str, own: str | None) -> Tail:
        """What ends a turn of another role, of which `rest` is the text after its content.

        `own` is as for `closing`. Nothing does where the template writes the next message
        into the same turn, as some do with the answers of several tools.
        """
        closed = (own or "").rstrip()
        follows = bool(closed) and rest.startswith(closed)
        if self.end_tokens:
            return self._named(rest, closed if follows else "", plain=True) or Tail(0, 0)
        if follows:
            special = self._special.search(closed)
            return Tail(_indent(closed), len(closed)) if special is None else Tail(*special.span())
        special = self._special.match(rest, _indent(rest))
        if special is None or own is not None or not self._closes(special.group(1)):
            return Tail(0, 0)
        return Tail(*special.span(1))

    def closer_of(self, text: str, start: int, end: int) -> Span | None:
        """What ends the turn that a template's own marks put from `start` to `end`.

        It is the last token inside, or the one that follows them.
        """
        if self.end_tokens:
            inside = [found.span() for found in self._end.finditer(text, start, end)]
            if inside and inside[-1][1] == end:
                return inside[-1]
            after = self._end.match(text, end + _indent(text[end:]))
            return None if after is None else after.span()
        last = start + self._last_token(text[start:end])
        if last < end:
            return last, end
        special = self._special.match(text, end + _indent(text[end:]))
        closes = special is not None and self._closes(special.group(1))
        return special.span(1) if special is not None and closes else None

    def _named(self, rest: str, closed: str, *, plain: bool) -> Tail | None:
        inside = [found.span() for found in self._end.finditer(closed)]
        if inside:
            return Tail(*inside[0 if plain else -1])
        if not plain:
            return Tail(len(closed), len(closed)) if closed else None
        after = self._end.match(rest, _indent(rest))
        return Tail(0, 0) if after is None else Tail(*after.span())

    def _last_token(self, text: str) -> int:
        """Where the special token that `text` ends with begins; its length where it has none."""
        ends = [found.start() for found in self._each.finditer(text) if found.end() == len(text)]
        return ends[-1] if ends else len(text)

    def generation_prompt(self, chat: Chat, base: str | None, prompted: str | None) -> str:
        """What `prompted` has and `base` has not; what a lone question gets, where that fails."""
        if base is not None and prompted is not None and prompted.startswith(base):
            return prompted[len(base) :]
        question = [{"role": "user", "content": stand_in(0)}]
        base = self.template.attempt(chat, question)
        prompted = self.template.attempt(chat, question, prompt=True)
        if base is None or prompted is None:
            return ""
        if prompted.startswith(base):
            return prompted[len(base) :]
        # A template that ends a conversation otherwise than it asks for an answer: what the
        # two share behind the question is no part of the prompt.
        shared = shared_length(base, prompted)
        behind = prompted.find(stand_in(0)) + len(stand_in(0))
        if behind > shared or prompted.count(stand_in(0)) != 1:
            return ""
        edges = [found.end() for found in self._edge.finditer(prompted, behind, shared)]
        return prompted[edges[-1] if edges else behind :]

    def _closes(self, token: str) -> bool | None:
        """Tell a special token that closes the assistant's turn from one that opens the next.

        One that closes is the same whoever speaks next, and no part of the generation
        prompt. None where the template refuses the conversations that would show it.
        """
        if token == self.template.tokenizer.eos_token:
            return True
        if token in self._next_tokens[None]:
            return False
        seen = [tokens for role, tokens in self._next_tokens.items() if role is not None]
        if any(token not in tokens for tokens in seen):
            return False
        return True if len(seen) > 1 else None

    @cached_property
    def _next_tokens(self) -> dict[str | None, tuple[str, ...]]:
        """The special token after an assistant's content, by the role that speaks next.

        None stands for the generation prompt, and has all of its special tokens.
        """
        chat = Chat(())
        prompt = self.generation_prompt(chat, None, None)
        tokens: dict[str | None, tuple[str, ...]] = {None: tuple(self._each.findall(prompt))}
        for role, gap in self._gaps.items():
            tokens[role] = tuple(self._each.findall(gap)[:1])
        return tokens

    @cached_property
    def _gaps(self) -> dict[str, str]:
        """What the template writes after an assistant's content, by the role that speaks next."""
        chat = Chat(())
        turn = [
            {"role": "user", "content": stand_in(0)},
            {"role": "assistant", "content": stand_in(1)},
        ]
        gaps = {}
        for role in ("user", "system", "tool", "assistant"):
            text = self.template.attempt(chat, [*turn, {"role": role, "content": stand_in(2)}])
            pieces = Pieces.of(text) if text is not None else None
            if pieces is not None and pieces.slots == (0, 1, 2):
                gaps[role] = pieces.literals[2]
        return gaps

    @cached_property
    def _never_closes(self) -> bool:
        """True where nothing is written after an answer, whoever speaks next, but the next header."""
        gaps = list(self._gaps.values())
        if len(gaps) < 2:
            return False
        shared = min(shared_length(gaps[0], gap) for gap in gaps[1:])
        return not gaps[0][:shared].strip()

    @cached_property
    def _each(self) -> re.Pattern[str]:
        """One special token."""
        longest_first = sorted(special_tokens(self.template.tokenizer), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    @cached_property
    def _end(self) -> re.Pattern[str]:
        """One of the texts that end a turn."""
        longest_first = sorted(self.end_tokens, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    @cached_property
    def _edge(self) -> re.Pattern[str]:
        """What a header may end with."""
        return re.compile(rf"\n|{self._each.pattern}")

    @cached_property
    def _special(self) -> re.Pattern[str]:
        """A special token and those that follow it without a gap; the first is group 1."""
        return re.compile(f"({self._each.pattern})(?:{self._each.pattern})*")


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """The ids of a tokenizer's special tokens, by their text."""
    added = tokenizer.added_tokens_decoder.items()
    named = dict(zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True))
    found = {**named, **{token.content: number for number, token in added if token.special}}
    return {str(text): number for text, number in found.items() if text}


def is_plain(message: Message) -> bool:
    """True where nothing of a message is rendered behind its content: it calls no tool."""
    return not message.get("tool_calls") and not message.get("function_call")


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())
