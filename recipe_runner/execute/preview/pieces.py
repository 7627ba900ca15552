"""Tokens as a person reads them: the shortest runs of tokens that are text of their own.

A byte-level tokenizer splits a character into several tokens, and the decoder of another
takes the space before the first word away. So tokens are decoded behind those before them,
until what they add is whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_BROKEN = "�"
"""What decoding makes of bytes that are no whole character."""

_LONGEST = 12
"""Tokens of one character at most: bytes that never become one are shown as they are."""


@dataclass(frozen=True)
class Piece:
    """Tokens that are one text, and what becomes of them.

    `weight` is the factor of their loss, 0 where they do not train. `special` names a
    special token ("eos", "bos", "pad", or "special" for one without such a role), None for
    others. `role` is whose words they are: a role of the conversation, "template" for what
    the chat template writes, or "text", "prompt", "completion". `cut` tokens are not in
    the row that trains, because it was too long.
    """

    text: str
    ids: tuple[int, ...]
    weight: float = 0.0
    special: str | None = None
    role: str = "text"
    cut: bool = False

    @property
    def trained(self) -> bool:
        """True where the loss is taken."""
        return self.weight != 0.0


@dataclass(frozen=True)
class Reading:
    """Reads the tokens of one tokenizer; `special` names its special tokens by their id.

    A run of one of `images`, the tokens that images are made of, is a single piece.
    """

    tokenizer: PreTrainedTokenizerBase
    special: Mapping[int, str]
    images: frozenset[int] = frozenset()

    @classmethod
    def of(
        cls, tokenizer: PreTrainedTokenizerBase, images: frozenset[int] = frozenset()
    ) -> Reading:
        named: dict[int, str] = {
            number: "special"
            for number, token in tokenizer.added_tokens_decoder.items()
            if token.special
        }
        named.update(dict.fromkeys(tokenizer.all_special_ids, "special"))
        for name in ("pad", "bos", "eos"):
            number = getattr(tokenizer, f"{name}_token_id")
            if number is not None:
                named[number] = name
        return cls(tokenizer, named, images)

    def texts(self, ids: Sequence[int]) -> list[tuple[int, str]]:
        """How many tokens each piece takes, and its text."""
        found: list[tuple[int, str]] = []
        context, done = 0, 0
        for end in range(1, len(ids) + 1):
            if ids[end - 1] in self.special:
                if done < end - 1:
                    found.append((end - 1 - done, self._added(ids, context, done, end - 1)))
                if ids[end - 1] in self.images and end > 1 and ids[end - 2] == ids[end - 1]:
                    found[-1] = self._longer(found[-1], ids[end - 1])
                else:
                    found.append((1, self._name(ids[end - 1])))
                context, done = end - 1, end
                continue
            text = self._added(ids, context, done, end)
            whole = end - done >= _LONGEST or end == len(ids)
            if (text and not text.endswith(_BROKEN)) or whole:
                found.append((end - done, text))
                context, done = done, end
        return found

    def _added(self, ids: Sequence[int], context: int, done: int, end: int) -> str:
        before = self._decode(ids[context:done])
        return self._decode(ids[context:end])[len(before) :]

    def _decode(self, ids: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(
            list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return text

    def _longer(self, run: tuple[int, str], number: int) -> tuple[int, str]:
        """A run of image tokens with one more."""
        return run[0] + 1, f"{self._name(number)} x {run[0] + 1}"

    def _name(self, number: int) -> str:
        return str(self.tokenizer.convert_ids_to_tokens(number))

    def pieces(
        self,
        ids: Sequence[int],
        weights: Sequence[float],
        roles: Sequence[str],
        cut: Sequence[bool],
    ) -> tuple[Piece, ...]:
        """The pieces of a row; weights, roles and whether it was cut are given per token."""
        found = []
        at = 0
        for count, text in self.texts(ids):
            these = tuple(ids[at : at + count])
            found.append(
                Piece(
                    text,
                    these,
                    max(weights[at : at + count], key=abs),
                    self.special.get(these[0]),
                    roles[at],
                    cut[at],
                )
            )
            at += count
        return tuple(found)
