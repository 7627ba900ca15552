"""Rows that are tokens already."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from recipe_runner.components.base import Strings
from recipe_runner.components.format import Example, Format, require_column
from recipe_runner.plan import Shape
from recipe_runner.rows import Row, RowProblem
from recipe_runner.rows.answers import IGNORED

_INT32 = 2**31


class Tokenized(Format):
    """Rows of token ids, with labels that say which of them train.

    A label is the token's own id, or -100 where the token does not train; labels are not
    shifted. Without labels every token trains, or those that the columns of masks (TRL's
    `completion_mask` and `assistant_masks`) hold a 1 for. Rows are stored without padding: a 0 in
    `attention_mask` is a fault, because the run pads by itself.

    >>> Tokenized(type="tokenized").to_example({"input_ids": [5, 6, 7], "labels": [-100, 6, 7]})
    {'input_ids': [5, 6, 7], 'labels': [-100, 6, 7]}
    """

    type: Literal["tokenized"]
    input_ids_column: str = "input_ids"
    """Column that holds the token ids, a list of whole numbers."""
    labels_column: str = "labels"
    """Column with a label for each token, its id or -100; rows may lack it."""
    mask_columns: Strings = ("completion_mask", "assistant_masks")
    """Columns with 1 for tokens that train and 0 for others; rows may lack them, several all have to agree."""
    attention_mask_column: str = "attention_mask"
    """Column with a 1 for each token; rows may lack it."""

    shape: ClassVar[Shape] = "tokenized"
    rank: ClassVar[int] = 2
    snippet: ClassVar[str] = "format: tokenized"

    def to_example(self, row: Row) -> Example:
        ids = _numbers(require_column(row, self.input_ids_column), self.input_ids_column)
        if not ids:
            raise RowProblem("empty-text", f"has no token in column `{self.input_ids_column}`")
        wrong = next((i for i in ids if not 0 <= i < _INT32), None)
        if wrong is not None:
            raise RowProblem(
                "not-a-token", f"has {wrong}, which is no token's id, in `{self.input_ids_column}`"
            )
        attention = self._beside(row, self.attention_mask_column, ids)
        if attention is not None and any(bit != 1 for bit in attention):
            place = next(n for n, bit in enumerate(attention, 1) if bit != 1)
            raise RowProblem(
                "padded",
                f"has padding: `{self.attention_mask_column}` is {attention[place - 1]} at token "
                f"{place} of {len(ids)}, and rows are stored without padding",
            )
        labels = self._labels(row, ids)
        return {"input_ids": ids} if labels is None else {"input_ids": ids, "labels": labels}

    def _labels(self, row: Row, ids: list[int]) -> list[int] | None:
        labels = self._beside(row, self.labels_column, ids)
        for place, (token, label) in enumerate(zip(ids, labels or (), strict=False), 1):
            if label not in (IGNORED, token):
                raise RowProblem(
                    "not-a-label",
                    f"has the label {label} at token {place}, whose id is {token}; a label is its "
                    f"token's id or {IGNORED}, and labels are not shifted",
                )
        for column in self.mask_columns:
            mask = self._beside(row, column, ids)
            if mask is None:
                continue
            if any(bit not in (0, 1) for bit in mask):
                raise RowProblem("not-a-mask", f"has more than 0 and 1 in column `{column}`")
            whole = ids if labels is None else labels
            labels = [label if bit else IGNORED for label, bit in zip(whole, mask, strict=True)]
        return labels

    def _beside(self, row: Row, column: str, ids: Sequence[int]) -> list[int] | None:
        if row.get(column) is None:
            return None
        values = _numbers(row[column], column)
        if len(values) != len(ids):
            raise RowProblem(
                "length-differs",
                f"has {len(values)} values in column `{column}` for {len(ids)} tokens",
            )
        return values

    @classmethod
    def recognises(cls, row: Row) -> str | None:
        ids = row.get("input_ids")
        if isinstance(ids, list) and ids and isinstance(ids[0], int):
            return "there is a column `input_ids` of token ids"
        return None


def _numbers(value: Any, column: str) -> list[int]:
    whole = isinstance(value, list | tuple) and all(type(item) is int for item in value)
    if not whole:
        raise RowProblem("not-numbers", f"has no list of whole numbers in column `{column}`")
    return list(value)
