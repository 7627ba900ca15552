"""Texts in pieces, each of which trains or does not."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from recipe_runner.components.chat import has_turns
from recipe_runner.components.format import Example, Format, Segment, require_column
from recipe_runner.components.turns import truth
from recipe_runner.plan import Shape
from recipe_runner.rows import Row, RowProblem, what_is


class Segments(Format):
    """Rows of pieces of text, each with a mark that says whether it trains.

    The pieces are joined as they are, without a template: special tokens, spaces and line
    ends are part of the texts. Use it where no mask of roles fits, and for data in
    axolotl's `input_output` layout (`train_key: label`).

    >>> row = {"segments": [{"text": "2 + 2 =", "train": False}, {"text": " 4", "train": True}]}
    >>> Segments(type="segments").to_example(row)["segments"][1]
    {'text': ' 4', 'train': True}
    """

    type: Literal["segments"]
    segments_column: str = "segments"
    """Column that holds the list of segments."""
    text_key: str = "text"
    """Key of a segment that holds its text."""
    train_key: str = "train"
    """Key of a segment that says whether it trains."""

    shape: ClassVar[Shape] = "segments"
    rank: ClassVar[int] = 9
    snippet: ClassVar[str] = "format: segments"

    def to_example(self, row: Row) -> Example:
        value = require_column(row, self.segments_column)
        if not isinstance(value, list | tuple):
            kind = what_is(value)
            raise RowProblem(
                "not-a-list",
                f"has {kind} where a list of segments is expected, in column "
                f"`{self.segments_column}`",
            )
        segments = [self._segment(item, number) for number, item in enumerate(value, 1)]
        if not any(segment["text"] for segment in segments):
            raise RowProblem("empty-text", f"has no text in column `{self.segments_column}`")
        return {"segments": segments}

    def _segment(self, item: Any, number: int) -> Segment:
        where = f"segment {number} of `{self.segments_column}`"
        if not isinstance(item, Mapping) or not isinstance(item.get(self.text_key), str):
            raise RowProblem("not-text", f"has no text `{self.text_key}` in {where}")
        if item.get(self.train_key) is None:
            raise RowProblem("segment-without-mark", f"has no `{self.train_key}` in {where}")
        return {
            "text": item[self.text_key],
            "train": truth(item[self.train_key], f"`{self.train_key}` of {where}"),
        }

    @classmethod
    def recognises(cls, row: Row) -> str | None:
        for key in ("train", "label"):
            if has_turns(row.get("segments"), "text", key):
                return f"there is a column `segments` of lists with `text` and `{key}`"
        return None

    @classmethod
    def recognised_options(cls, row: Row) -> Mapping[str, Any]:
        own = has_turns(row.get("segments"), "text", "train")
        return {} if own else {"train_key": "label"}
