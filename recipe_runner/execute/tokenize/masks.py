"""Spans of characters become spans of tokens.

The rule at a border: a token belongs to a span that holds at least one of its characters.
So does transformers' assistant mask, and so does TRL where a completion begins inside a
token of prompt + completion. A special token that begins before the span is the exception:
one that takes the white space behind it (`rstrip`, as Phi-3's `<|assistant|>`) is a header.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from recipe_runner.execute.tokenize.conversation import Span, shared_length
from recipe_runner.rows.answers import IGNORED

if TYPE_CHECKING:
    from tokenizers import Encoding


def labels_of_spans(
    encoding: Encoding, spans: Iterable[Span], special: Collection[int]
) -> list[int]:
    """The token's id for each token of the spans, -100 for the others.

    `special` are the ids of the special tokens.

    A character may have no token (white space that the tokenizer's offsets leave out), and
    several tokens may share one (the bytes of an emoji): all of those belong to it.
    transformers 5.23 takes only the first of the tokens that share a span's last character,
    and the rest of the row where that character has none; apart from this and the exception
    above they agree.
    """
    ids: list[int] = encoding.ids
    labels = [IGNORED] * len(ids)
    for span in spans:
        place = _tokens(encoding, span, special)
        labels[place] = ids[place]
    return labels


def weights_of(
    encoding: Encoding,
    factors: Iterable[tuple[Span, float]],
    special: Collection[int],
    labels: list[int],
) -> list[float] | None:
    """The weight of each token, None where all are 1; where it is 0, the label becomes -100.

    A token that holds characters of several of the factors' spans has their product.
    """
    weights = [1.0] * len(labels)
    for span, factor in factors:
        place = _tokens(encoding, span, special)
        weights[place] = [weight * factor for weight in weights[place]]
    for token, weight in enumerate(weights):
        if weight == 0:
            labels[token] = IGNORED
        if labels[token] == IGNORED:
            weights[token] = 1.0
    return weights if any(weight != 1 for weight in weights) else None


def labels_after(ids: Sequence[int], prompt: Sequence[int]) -> list[int]:
    """The labels of a completion: it begins where the tokens part from those of the prompt.

    This is TRL's rule (`trl.data_utils.common_prefix_length`); the prompt's own tokens are
    not always a prefix, because a tokenizer may merge across the border.
    """
    start = shared_length(ids, prompt)
    return [IGNORED] * start + list(ids[start:])


def both(labels: Sequence[int], others: Sequence[int]) -> list[int]:
    """The labels that are taken in both."""
    return [a if b != IGNORED else IGNORED for a, b in zip(labels, others, strict=True)]


def _tokens(encoding: Encoding, span: Span, special: Collection[int]) -> slice:
    start, end = span
    first = _first_token(encoding, start, end)
    if first is None:
        return slice(0, 0)
    last = _last_token(encoding, start, end, len(encoding))
    covered = encoding.token_to_chars(first)
    if encoding.ids[first] in special and covered is not None and covered[0] < start:
        first += 1
    return slice(first, last + 1)


def _first_token(encoding: Encoding, start: int, end: int) -> int | None:
    for character in range(start, end):
        token: int | None = encoding.char_to_token(character)
        if token is not None:
            return token
    return None


def _last_token(encoding: Encoding, start: int, end: int, count: int) -> int:
    for character in range(end - 1, start - 1, -1):
        token: int | None = encoding.char_to_token(character)
        if token is not None:
            while token + 1 < count:
                following = encoding.token_to_chars(token + 1)
                if following is None or not following[0] <= character < following[1]:
                    break
                token += 1
            return token
    raise AssertionError("the span has a first token, so it has a last one")
