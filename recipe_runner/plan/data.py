"""What a run reads: sources, the format of their rows, and how rows become tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Shape = Literal["conversation", "prompt_completion", "text", "preference"]
LossOn = Literal["assistant", "last_assistant", "completion", "all"]
Overlong = Literal["truncate", "drop", "error"]
OnBadRow = Literal["error", "skip"]


@dataclass(frozen=True)
class FormatPlan:
    """A data format by its `type` and all its options; `shape` is what its examples look like."""

    type: str
    shape: Shape
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SourcePlan:
    """One data set.

    `loader` names a component of `components/sources` ("json", "csv", ..., "hub").
    Local sources list absolute `files`; `path` is what the recipe said, and for
    a hub data set its id. `columns` renames columns, ours to theirs. `limit` counts
    rows from the first, `fraction_of_rows` is in (0, 1], `rows` is the number of
    rows where it is known before the run.
    """

    path: str
    loader: str
    format: FormatPlan
    loss_on: LossOn
    files: tuple[str, ...] = ()
    name: str | None = None
    split: str = "train"
    revision: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None
    fraction_of_rows: float | None = None
    probability: float | None = None
    on_bad_row: OnBadRow = "error"
    rows: int | None = None


@dataclass(frozen=True)
class DataPlan:
    """All data of a run.

    `eval_split` takes evaluation rows from the training rows: a fraction below 1,
    or a number of rows. Lengths are in tokens. `packing` is None or a strategy of TRL.
    """

    train: tuple[SourcePlan, ...]
    eval: tuple[SourcePlan, ...] = ()
    eval_split: float | int | None = None
    mix_strategy: Literal["concatenate", "interleave"] = "concatenate"
    mix_stopping: Literal["first_exhausted", "all_exhausted"] = "first_exhausted"
    shuffle: bool = True
    seed: int = 42
    max_length: int | None = None
    overlong: Overlong = "truncate"
    truncation_mode: Literal["keep_start", "keep_end"] = "keep_start"
    packing: str | None = None
    eval_packing: str | None = None
    num_proc: int | None = None

    @property
    def has_eval(self) -> bool:
        """True where the run evaluates."""
        return bool(self.eval) or self.eval_split is not None
