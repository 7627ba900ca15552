"""What a run reads: sources, the format of their rows, and how rows become tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Shape = Literal[
    "conversation",
    "prompt_completion",
    "text",
    "tokenized",
    "segments",
    "preference",
    "unpaired_preference",
    "stepwise",
    "prompt",
]
"""What the examples of a format look like, in TRL's words where it has one."""

Feed = Literal[
    "sequences",
    "answered_sequences",
    "pairs",
    "whole_pairs",
    "labelled_pairs",
    "triples",
    "judged",
    "steps",
    "prompts",
]
"""The form in which a trainer takes examples.

`sequences` are tokens with labels; `answered_sequences` have the prompt beside them. A pair
is a prompt with a chosen and a rejected answer: apart (`pairs`), each answer behind the
prompt (`whole_pairs`), or both with labels (`labelled_pairs`); `triples` have a reference
answer as well. `judged` are answers with a truth value, `steps` sequences whose labels are
classes, `prompts` rows as they are, to be answered while the run goes.
"""

LossOn = Literal["turns", "completion", "all", "given"]
Turns = Literal["all", "last", "last_round"]
EndOfTurn = Literal["turn", "all", "last", "none"]
Overlong = Literal["truncate", "drop", "error", "split"]
TruncationMode = Literal["keep_answer", "keep_start", "keep_end"]
OnBadRow = Literal["error", "drop"]
OnOddRow = Literal["error", "drop", "keep"]
Leakage = Literal["ignore", "report", "drop", "error"]


@dataclass(frozen=True)
class LossPlan:
    """Which tokens train.

    `on` is what they are taken from: the `turns` of a conversation whose role is one of
    `roles` (all of them, the `last` one, or those after the last user's turn:
    `last_round`), the `completion` after a prompt, `all` of the text, or the marks that
    the rows bring themselves (`given`).

    `end_of_turn` says which end-of-turn tokens train: those of the turns that train
    (`turn`), of `all` turns, of the `last` turn that trains, or `none`; for a completion
    and a text it is the end-of-sequence token. `end_of_turn_tokens` name them where the
    template does not show them. `weights` map regular expressions to a factor: what they
    match inside a trained turn trains with it, 0 leaves it out.
    """

    on: LossOn
    roles: tuple[str, ...] = ("assistant",)
    turns: Turns = "all"
    end_of_turn: EndOfTurn = "turn"
    end_of_turn_tokens: tuple[str, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, word: str) -> LossPlan:
        """What a word of a recipe means: assistant, last_assistant, completion, all, given."""
        if word in ("assistant", "last_assistant"):
            return cls("turns", turns="all" if word == "assistant" else "last")
        if word not in ("completion", "all", "given"):
            raise ValueError(f"{word!r} names no loss")
        return cls(word)  # type: ignore[arg-type]  # one of the three

    @property
    def name(self) -> str:
        """The recipe's word for it, without the finer settings."""
        if self.on != "turns":
            return self.on
        roles = " and ".join(self.roles)
        return roles if self.turns == "all" else f"{self.turns}_{roles}"


@dataclass(frozen=True)
class RowPolicy:
    """What becomes of rows that something is wrong with, by the kind of fault.

    `unreadable` rows cannot be parsed or lack a column, `does_not_fit` have the columns
    but not the format's content, `unknown_role` name a role that nobody knows,
    `empty_completion` have nothing to learn, `consecutive_assistant` have two turns of
    the assistant in a row, `not_rendered` have calls, tools or thoughts that the chat
    template leaves out, `untrainable` have no token that trains.
    """

    unreadable: OnBadRow = "error"
    does_not_fit: OnBadRow = "error"
    unknown_role: OnBadRow = "error"
    empty_completion: OnBadRow = "error"
    consecutive_assistant: OnOddRow = "error"
    not_rendered: OnOddRow = "error"
    untrainable: OnBadRow = "error"

    @classmethod
    def of(cls, word: OnBadRow) -> RowPolicy:
        """The same for every kind of fault."""
        return cls(word, word, word, word, word, word, word)


@dataclass(frozen=True)
class FormatPlan:
    """A data format by its `type` and all its options; `shape` is what its examples look like."""

    type: str
    shape: Shape
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SourcePlan:
    """One data set.

    `loader` names a component of `components/sources` ("json", "csv", ..., "hub"), and
    `loader_options` are its fields. Local sources list absolute `files`, remote ones URLs;
    `path` is what the recipe said, and for a hub data set its id. `columns` renames
    columns, ours to theirs. `limit` counts rows from the first, `fraction_of_rows` is in
    (0, 1], `repeat` is how often each row is used in an epoch, `rows` is the number of
    rows where it is known before the run.
    """

    path: str
    loader: str
    format: FormatPlan
    loss: LossPlan
    loader_options: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    name: str | None = None
    split: str = "train"
    revision: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None
    fraction_of_rows: float | None = None
    repeat: int = 1
    probability: float | None = None
    on_bad_row: RowPolicy = RowPolicy()
    rows: int | None = None


@dataclass(frozen=True)
class DeduplicatePlan:
    """How rows are compared: `exact` by content, `near` by the Jaccard index of their word shingles.

    Two rows are near duplicates where the index, estimated by MinHash, is at least `threshold`.
    """

    method: Literal["exact", "near"] = "exact"
    threshold: float = 0.8


@dataclass(frozen=True)
class StepLoss:
    """Where the steps of an answer are judged: at the end of each, behind its `separator`.

    With `last_only` the last step of an answer is judged, and the others are context.
    """

    separator: str = "\n"
    last_only: bool = False


@dataclass(frozen=True)
class DataPlan:
    """All data of a run.

    `eval_split` takes evaluation rows from the training rows: a fraction below 1,
    or a number of rows. Lengths are in tokens. `packing` is None or a strategy of TRL.
    `deduplicate` removes training rows that an earlier one repeats; `leakage` says what
    becomes of training rows that are evaluated on. With `streaming`, rows are read while
    the run goes, and shuffled within a buffer of `shuffle_buffer` rows.
    """

    train: tuple[SourcePlan, ...]
    eval: tuple[SourcePlan, ...] = ()
    eval_split: float | int | None = None
    mix_strategy: Literal["concatenate", "interleave"] = "concatenate"
    mix_stopping: Literal["first_exhausted", "all_exhausted"] = "first_exhausted"
    deduplicate: DeduplicatePlan | None = None
    leakage: Leakage = "report"
    streaming: bool = False
    shuffle: bool = True
    shuffle_buffer: int = 10_000
    seed: int = 42
    max_length: int | None = None
    overlong: Overlong = "truncate"
    truncation_mode: TruncationMode = "keep_answer"
    packing: str | None = None
    eval_packing: str | None = None
    num_proc: int | None = None
    steps: StepLoss | None = None

    @property
    def has_eval(self) -> bool:
        """True where the run evaluates."""
        return bool(self.eval) or self.eval_split is not None
