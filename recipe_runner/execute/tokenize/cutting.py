"""Rows above the length: which of their tokens stay.

Nothing here knows templates: `shortest_that_fits` is told how to render a conversation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from recipe_runner.execute.tokenize.conversation import Chat
from recipe_runner.execute.tokenize.settings import Tokenized
from recipe_runner.plan import TruncationMode
from recipe_runner.rows.answers import IGNORED


def cut(row: Tokenized, limit: int, mode: TruncationMode, bos: int | None) -> Tokenized:
    """The row with `limit` of its tokens.

    `keep_answer` leaves out what stands before the first trained token, from its front, but
    for a beginning-of-sequence token (`bos`); where what trains is longer still, its end is
    cut. `keep_start` and `keep_end` do not look at what trains.
    """
    count = len(row.input_ids)
    if count <= limit:
        return row
    if mode == "keep_start":
        return _kept(row, 0, 0, limit)
    if mode == "keep_end":
        return _kept(row, 0, count - limit, count)
    first = next((i for i, label in enumerate(row.labels) if label != IGNORED), 0)
    head = int(first > 0 and limit > 1 and row.input_ids[0] == bos)
    start = min(first, head + count - limit)
    return _kept(row, head, start, start + limit - head)


def split(row: Tokenized, limit: int) -> tuple[Tokenized, ...]:
    """Consecutive pieces of `limit` tokens.

    Those without a token that trains are left out; their tokens count as cut off from the
    first piece that stays.
    """
    count = len(row.input_ids)
    pieces = [_kept(row, 0, start, start + limit) for start in range(0, count, limit)]
    kept = [p for p in pieces if any(label != IGNORED for label in p.labels)]
    lost = count - sum(len(piece.input_ids) for piece in kept)
    return tuple(
        Tokenized(p.input_ids, p.labels, 0 if number else lost, p.weights)
        for number, p in enumerate(kept)
    )


class Render(Protocol):
    """Tokenizes a conversation of which the messages from `first` on may train; None where it cannot."""

    def __call__(self, chat: Chat, first: int) -> Tokenized | None: ...


def shortest_that_fits(
    chat: Chat, first: int, limit: int, render: Render, trains: Callable[[Chat, int], bool]
) -> Tokenized | None:
    """The conversation without its oldest exchanges: as few as make it fit are left out.

    An exchange begins with a turn of the user; the system's messages before the first one
    stay, and so do the messages from `first` on, where a completion begins. Where even the
    last exchange is too long, it comes back as it is, above the limit. None where there is
    nothing that could be left out.
    """
    begins = [place for place, message in enumerate(chat.messages) if message["role"] == "user"]
    if not begins:
        return None
    head = begins[0]
    shorter = []
    for place in begins[1:]:
        if first and place > first:
            break
        rest = chat.without(head, place)
        after = max(0, first - (place - head))
        if trains(rest, after):
            shorter.append((rest, after))
    # The more is left out, the shorter it is: look where it begins to fit.
    low, high = 0, len(shorter)
    fitting: Tokenized | None = None
    while low < high:
        middle = (low + high) // 2
        row = render(*shorter[middle])
        if row is not None and len(row.input_ids) <= limit:
            fitting, high = row, middle
        else:
            low = middle + 1
    if fitting is not None or not shorter:
        return fitting
    return render(*shorter[-1])


def _kept(row: Tokenized, head: int, start: int, stop: int) -> Tokenized:
    ids = row.input_ids[:head] + row.input_ids[start:stop]
    labels = row.labels[:head] + row.labels[start:stop]
    weights = None if row.weights is None else row.weights[:head] + row.weights[start:stop]
    if weights is not None and all(weight == 1 for weight in weights):
        weights = None
    lost = len(row.input_ids) - len(ids)
    return Tokenized(ids, labels, row.truncated + lost, weights)
