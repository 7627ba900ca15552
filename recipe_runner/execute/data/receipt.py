"""The receipt: what became of every row. Nothing vanishes without a line in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from recipe_runner.rows.tally import Faults, Tally

Role = Literal["train", "eval"]


@dataclass(frozen=True)
class Dropped:
    """Rows of one source that are not used, or `kept` although odd, all for one reason.

    `first` holds the numbers of the first of them, counted from 1 in the source.
    """

    reason: str
    rows: int
    first: tuple[int, ...]


@dataclass(frozen=True)
class SourceReceipt:
    """What became of the rows of one source: `read` = `used` + all `dropped`.

    `used` rows became `rows` rows of tokens; `kept` are those of them that are odd.

    `available` rows are in the source, of which `limit` and `fraction_of_rows` leave
    `read`. Lengths and counts of tokens are of used rows, after truncation;
    `truncated_tokens` were cut off. Tokens are trained where their label is kept.
    """

    path: str
    role: Role
    available: int
    read: int
    used: int
    rows: int
    dropped: tuple[Dropped, ...]
    kept: tuple[Dropped, ...]
    truncated_rows: int
    truncated_tokens: int
    tokens: int
    trained_tokens: int
    longest: int


@dataclass(frozen=True)
class Receipt:
    """What became of all rows, and how long it took.

    `train_rows` and `eval_rows` are what the run gets, after splitting and mixing.
    `cached` says that nothing was read; `seconds` are then those of looking it up.
    `content` is a hash of what the sources hold; unlike `key` it does not change with the
    versions of the libraries.
    """

    key: str
    content: str
    sources: tuple[SourceReceipt, ...]
    train_rows: int
    eval_rows: int
    cached: bool
    processes: int
    seconds: float


def receipt_of(tally: Tally, path: str, role: Role, available: int) -> SourceReceipt:
    """The tally of a whole source, as it is kept."""
    return SourceReceipt(
        path=path,
        role=role,
        available=available,
        read=tally.read,
        used=tally.used,
        rows=tally.rows,
        dropped=_named(tally.faults),
        kept=_named(tally.kept),
        truncated_rows=tally.truncated_rows,
        truncated_tokens=tally.truncated_tokens,
        tokens=tally.tokens,
        trained_tokens=tally.trained_tokens,
        longest=tally.longest,
    )


def _named(found: Mapping[str, Faults]) -> tuple[Dropped, ...]:
    return tuple(
        Dropped(reason, faults.rows, tuple(where.number for where, _ in faults.first))
        for reason, faults in sorted(found.items())
    )


def source_receipt(notes: Mapping[str, Any], path: str) -> SourceReceipt:
    """Read back what `dataclasses.asdict` made of a source's receipt, which `path` names today."""
    found = {
        name: tuple(
            Dropped(item["reason"], item["rows"], tuple(item["first"])) for item in notes[name]
        )
        for name in ("dropped", "kept")
    }
    return SourceReceipt(**{**notes, "path": path, **found})
