"""Where a golden row and what it is now part, told in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recipe_runner.execute.preview.pieces import Reading
from recipe_runner.execute.preview.quoted import quoted
from recipe_runner.execute.tokenize.conversation import shared_length
from recipe_runner.rows.golden import GoldenRow, Run

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_AROUND = 48
"""Characters that are shown on each side of a difference."""


@dataclass(frozen=True)
class Side:
    """One side of a difference: what both share before it, and how it goes on."""

    before: str
    goes_on: tuple[Run, ...]


@dataclass(frozen=True)
class Difference:
    """A golden row that becomes other tokens now.

    `words` say what differs in one sentence, `then` and `now` show the places, where the
    row has a text on both sides. `token` is the number of the first token that differs,
    from 1, None where there is no such token.
    """

    row: GoldenRow
    words: str
    token: int | None = None
    then: Side | None = None
    now: Side | None = None


def difference_of(
    then: GoldenRow, now: GoldenRow | None, tokenizer: PreTrainedTokenizerBase
) -> Difference | None:
    """How a golden row differs from what it is now; None where its tokens are the same."""
    if now is None:
        return Difference(then, "is gone")
    if (then.tokens, then.problem) == (now.tokens, now.problem):
        return None
    aside = " (the row itself is another one)" if then.content != now.content else ""
    if then.problem or now.problem:
        was, is_ = (row.problem or f"{row.count} tokens" for row in (then, now))
        return Difference(then, f"was {was} and is {is_}{aside}")
    ids = [[int(number) for number in row.ids.split()] for row in (then, now)]
    texts = [_characters(row) for row in (then, now)]
    same = shared_length(*texts)
    if same == len(texts[0]) == len(texts[1]):
        token = shared_length(*ids)
        old, new = (_token(tokenizer, each, token) for each in ids)
        words = (
            f"has the same text in other tokens{aside}: token {token + 1} was {old} and is {new}"
        )
        return Difference(then, words, token + 1)
    before = "".join(character for character, _ in texts[0][max(0, same - _AROUND) : same])
    here, there = (Side(before, _runs(text[same : same + _AROUND])) for text in texts)
    token = min(shared_length(*ids), _token_at(tokenizer, ids[1], same))
    return Difference(then, _words(before, here, there, aside), token + 1, here, there)


def _words(before: str, then: Side, now: Side, aside: str) -> str:
    place = f"after {quoted(before)}" if before else "at its beginning"
    if then.goes_on and now.goes_on and then.goes_on[0].text[0] == now.goes_on[0].text[0]:
        was, is_ = then.goes_on[0], now.goes_on[0]
        what = quoted(min(was.text, is_.text, key=len))
        change = f"had the weight {was.weight:g}, and has {is_.weight:g}"
        if not was.weight or not is_.weight:
            change = "trained, and does not" if was.weight else "did not train, and does"
        return f"trains on other tokens{aside}: {place} {what} {change}"
    old, new = (
        quoted("".join(run.text for run in side.goes_on)) if side.goes_on else "its end"
        for side in (then, now)
    )
    return f"has another text{aside}: {place} came {old}, and comes {new}"


def _token(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], at: int) -> str:
    if at >= len(ids):
        return "its end"
    known = ids[at] < len(tokenizer)
    return f"{ids[at]} ({quoted(tokenizer.decode([ids[at]])) if known else 'unknown'})"


def _token_at(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], character: int) -> int:
    """The number of the token that holds a character of a row, from 0."""
    at = read = 0
    for count, text in Reading.of(tokenizer).texts(ids):
        read += len(text)
        if read > character:
            return at
        at += count
    return at


def _characters(row: GoldenRow) -> list[tuple[str, float]]:
    return [(character, run.weight) for run in row.text for character in run.text]


def _runs(characters: Sequence[tuple[str, float]]) -> tuple[Run, ...]:
    runs: list[Run] = []
    for character, weight in characters:
        if runs and runs[-1].weight == weight:
            runs[-1] = Run(runs[-1].text + character, weight)
        else:
            runs.append(Run(character, weight))
    return tuple(runs)
