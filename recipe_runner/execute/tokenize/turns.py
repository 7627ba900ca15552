"""Where an assistant's turn begins and ends inside the text around its content.

A turn begins where the generation prompt ends, because that is where the model takes
over, and ends with the marker that closes it. The white space after the marker is the
template's and is not trained: nobody asks the model for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from recipe_runner.execute.tokenize.conversation import Chat, ChatTemplate, Message, shared_length
from recipe_runner.execute.tokenize.sentinels import Pieces, stand_in

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Borders:
    """The turn borders of one template."""

    template: ChatTemplate

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

    def closing(self, rest: str, own: str | None, *, plain: bool) -> int | None:
        """How much of `rest`, the text after a turn's content, still belongs to the turn.

        `own` is what stands there when the conversation ends with this turn. A turn is
        `plain` where it calls no tool; in others, `rest` begins with the calls. None where
        it cannot be told.
        """
        closed = (own or "").rstrip()
        if closed and rest.startswith(closed):
            special = self._special.search(closed) if plain else None
            return len(closed) if special is None else special.end()
        if not plain:
            return None
        # The template closes the last turn otherwise than the others, or leaves it to the
        # next message to close the turn before.
        special = self._special.match(rest, _indent(rest))
        closes = False if special is None else self._closes(special.group(1))
        if special is None or not closes:
            return None if closed or closes is None else 0
        return special.end(1)

    def generation_prompt(self, chat: Chat, base: str | None, prompted: str | None) -> str:
        """What `prompted` has and `base` has not; what a lone question gets, where that fails."""
        if base is not None and prompted is not None and prompted.startswith(base):
            return prompted[len(base) :]
        question = [{"role": "user", "content": stand_in(0)}]
        base = self.template.attempt(chat, question)
        prompted = self.template.attempt(chat, question, prompt=True)
        if base is not None and prompted is not None and prompted.startswith(base):
            return prompted[len(base) :]
        return ""

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
        turn = [
            {"role": "user", "content": stand_in(0)},
            {"role": "assistant", "content": stand_in(1)},
        ]
        for role in ("user", "system", "tool", "assistant"):
            text = self.template.attempt(chat, [*turn, {"role": role, "content": stand_in(2)}])
            pieces = Pieces.of(text) if text is not None else None
            if pieces is not None and pieces.slots == (0, 1, 2):
                tokens[role] = tuple(self._each.findall(pieces.literals[2])[:1])
        return tokens

    @cached_property
    def _each(self) -> re.Pattern[str]:
        """One special token."""
        longest_first = sorted(special_tokens(self.template.tokenizer), key=len, reverse=True)
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
