"""The columns of prepared rows, by the form in which a trainer takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recipe_runner.execute.tokenize import (
    IGNORED,
    AnswersRow,
    AnswersTokenizer,
    PromptRow,
    Tokenized,
)
from recipe_runner.execute.vision import ImageRow
from recipe_runner.plan import Feed, Plan

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

ANSWERS: dict[Feed, tuple[str, ...]] = {
    "pairs": AnswersTokenizer.PAIR,
    "whole_pairs": AnswersTokenizer.PAIR,
    "labelled_pairs": AnswersTokenizer.PAIR,
    "triples": AnswersTokenizer.TRIPLE,
    "judged": AnswersTokenizer.JUDGED,
}
"""The answers of a row, for feeds whose rows are a prompt with answers."""


@dataclass(frozen=True)
class Columns:
    """Which columns prepared rows have.

    `weighted` rows have a factor for each token, and rows for a model that `sees` the
    pictures that they show.
    """

    feed: Feed = "sequences"
    weighted: bool = False
    sees: bool = False

    @classmethod
    def of(cls, plan: Plan, *, weighted: bool) -> Columns:
        """The columns of a plan's rows."""
        return cls(plan.feed, weighted, plan.model.sees)

    @property
    def schema(self) -> pa.Schema:
        """Names and types. Labels are -100 where the loss is not taken.

        A prompt and its answers are apart (`prompt_ids`, `chosen_ids`, ...), with the
        `margin` between two answers where it counts, and the `label` of a judged one.
        A prompt to answer is its `item`, as JSON of what the trainer and rewards get.
        `pictures` are what `ImageRow.pictures` says.
        """
        import pyarrow as pa

        tokens = pa.list_(pa.int32())
        names = ANSWERS.get(self.feed)
        if self.feed == "prompts":
            return pa.schema({"item": pa.string()})
        if names is not None:
            fields = {f"{name}_ids": tokens for name in ("prompt", *names)}
            if self.feed == "judged":
                fields["label"] = pa.bool_()
            if self.feed == "whole_pairs":
                fields["margin"] = pa.float32()
            return pa.schema(fields)
        fields = {"input_ids": tokens, "labels": tokens}
        if self.weighted:
            fields["weights"] = pa.list_(pa.float32())
        if self.sees:
            fields["pictures"] = pa.list_(pa.uint8())
        return pa.schema(fields)

    def batch(self, rows: Sequence[Tokenized]) -> pa.RecordBatch:
        """The rows as they are written."""
        import pyarrow as pa

        schema = self.schema
        return pa.record_batch([self._column(rows, field) for field in schema], schema)

    def _column(self, rows: Sequence[Any], field: pa.Field) -> pa.Array:
        import pyarrow as pa

        match field.name:
            case "input_ids" | "labels":
                return _lists([getattr(row, field.name) for row in rows], "int32")
            case "weights":
                return _lists([row.weights or [1.0] * len(row.labels) for row in rows], "float32")
            case "pictures":
                pictures = [list(row.pictures) for row in rows if isinstance(row, ImageRow)]
                return pa.array(pictures, field.type)
            case "item":
                return pa.array([row.item for row in rows if isinstance(row, PromptRow)])
            case "label" | "margin":
                return pa.array([getattr(row, field.name) for row in rows], field.type)
        name = field.name.removesuffix("_ids")
        return _lists([row.part(name) for row in rows if isinstance(row, AnswersRow)], "int32")


def length_of(row: Tokenized) -> int:
    """Tokens of the longest sequence that is made of a row."""
    return row.length if isinstance(row, AnswersRow) else len(row.input_ids)


def trained_of(row: Tokenized) -> int:
    """Tokens of that sequence that train."""
    if isinstance(row, AnswersRow):
        return row.length - row.parts[0]
    return len(row.labels) - row.labels.count(IGNORED)


def _lists(values: Sequence[Sequence[float]], kind: str) -> pa.Array:
    """A column of lists of numbers: several times faster than Arrow's own conversion."""
    import numpy as np
    import pyarrow as pa

    offsets: np.ndarray[Any, Any] = np.zeros(len(values) + 1, np.int32)
    np.cumsum([len(each) for each in values], out=offsets[1:])
    flat = np.concatenate([np.array(each, kind) for each in values])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat))
