"""The figures of prepared data. Lengths are in tokens, shares are fractions in [0, 1]."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recipe_runner.execute.data.receipt import Dropped, Repeated, Role


@dataclass(frozen=True)
class Copies:
    """Rows of a source whose content is that of others, compared exactly.

    `within` repeat an earlier row of the same source, `across` an earlier training source;
    `evaluated` are training rows that evaluate as well.
    """

    within: int
    across: int
    evaluated: int


@dataclass(frozen=True)
class SourceStats:
    """One source: `rows` of it were prepared, and have `tokens` of which `trained_tokens` train.

    `epoch_rows` and `epoch_tokens` are what it gives in an epoch, after splits, removals
    and repeats, and `share` its part of all tokens of an epoch; 0 for one that evaluates.
    `repeated` is what preparing found, as the recipe compares rows; `copies` are exact.
    """

    path: str
    role: Role
    read: int
    rows: int
    tokens: int
    trained_tokens: int
    epoch_rows: int
    epoch_tokens: int
    share: float
    longest: int
    truncated_rows: int
    truncated_tokens: int
    dropped: tuple[Dropped, ...]
    copies: Copies
    repeated: tuple[Repeated, ...]


@dataclass(frozen=True)
class Bin:
    """Rows of `begin` to `end` tokens, both included."""

    begin: int
    end: int
    rows: int
    tokens: int


@dataclass(frozen=True)
class Cut:
    """What `max_length` cuts off: so many rows, by so many tokens, of all of them.

    `notes` say where the number comes from: the `recipe`, the model's `context`, or what
    is `suggested`.
    """

    max_length: int
    rows: int
    rows_share: float
    tokens: int
    tokens_share: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Filling:
    """The share of real tokens in what is computed at `max_length`; the rest is padding.

    `padded` are batches of rows as they come, `grouped` batches of rows of like length,
    `packed` packs filled by `bfd`.
    """

    max_length: int
    padded: float
    grouped: float
    packed: float


@dataclass(frozen=True)
class Suggestion:
    """A `max_length`, and why."""

    max_length: int
    why: str


@dataclass(frozen=True)
class DataStats:
    """Everything about the data of one recipe.

    `rows`, `tokens`, `percentiles`, `histogram` and `cuts` are of the different rows that
    train, in full: before anything is cut off. `unknown` counts rows that were left out for
    their length, which is not known. `batch` is the number of rows on a device at once.
    `comparison` says how rows were compared for what `repeated` holds.
    """

    recipe: str
    max_length: int | None
    context: int | None
    overlong: str
    packing: str | None
    batch: int
    comparison: str
    train_rows: int
    eval_rows: int
    rows: int
    tokens: int
    mean: float
    trained_share: float
    unknown: int
    percentiles: Mapping[str, int]
    histogram: tuple[Bin, ...]
    logarithmic: bool
    cuts: tuple[Cut, ...]
    filling: tuple[Filling, ...]
    sampled: int | None
    suggestion: Suggestion | None
    sources: tuple[SourceStats, ...]
