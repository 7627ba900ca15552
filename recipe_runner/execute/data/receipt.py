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
class Repeated:
    """Training rows of one source that repeat others: earlier ones, or rows that evaluate (`leaked`).

    `rows` of the source became `pieces` rows of tokens, with `tokens` of which
    `trained_tokens` train. They were all `removed` from training after they were prepared,
    or none was. `first` has, of the first few, the row, the place of the other row's source
    in the plan, and the row there; rows count from 1.
    """

    reason: Literal["duplicate", "leaked"]
    rows: int
    removed: bool
    pieces: int
    tokens: int
    trained_tokens: int
    first: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class SourceReceipt:
    """What became of the rows of one source: `read` = `used` + all `dropped`.

    `used` rows became `rows` rows of tokens; `kept` are those of them that are odd.

    `available` rows are in the source, of which `limit` and `fraction_of_rows` leave
    `read`. Lengths and counts of tokens are of used rows, after truncation;
    `truncated_tokens` were cut off. Tokens are trained where their label is kept.
    `repeated` rows are among the used ones, also those that were removed from training.
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
    repeated: tuple[Repeated, ...] = ()

    @property
    def removed(self) -> tuple[Repeated, ...]:
        """What was prepared and does not train, because it repeats other rows."""
        return tuple(each for each in self.repeated if each.removed)


@dataclass(frozen=True)
class PackReceipt:
    """What packing made: `rows` became `packs` of at most `capacity` tokens, in `pieces`.

    Each token of a row is in one piece, so `tokens` is the sum of the rows' lengths.
    """

    packs: int
    rows: int
    pieces: int
    tokens: int
    capacity: int

    @property
    def fill(self) -> float:
        """Share of the packs' room that tokens take, in [0, 1]."""
        return self.tokens / (self.packs * self.capacity) if self.packs else 0.0


@dataclass(frozen=True)
class Receipt:
    """What became of all rows, and how long it took.

    `train_rows` and `eval_rows` are what the run gets, after splitting and mixing: each
    row as often as an epoch has it. So are `train_tokens`, of which `trained_tokens` train.
    `cached` says that nothing was read; `seconds` are then those of looking it up.
    `content` is a hash of what the sources hold; unlike `key` it does not change with the
    versions of the libraries. `train_packs` and `eval_packs` say how the rows were packed,
    None where they are not.
    """

    key: str
    content: str
    sources: tuple[SourceReceipt, ...]
    train_rows: int
    eval_rows: int
    train_tokens: int
    trained_tokens: int
    cached: bool
    processes: int
    seconds: float
    train_packs: PackReceipt | None = None
    eval_packs: PackReceipt | None = None


def receipt_of(
    tally: Tally, path: str, role: Role, available: int, repeated: tuple[Repeated, ...] = ()
) -> SourceReceipt:
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
        repeated=repeated,
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
    repeated = tuple(
        Repeated(**{**item, "first": tuple(tuple(pair) for pair in item["first"])})
        for item in notes["repeated"]
    )
    return SourceReceipt(**{**notes, "path": path, **found, "repeated": repeated})
