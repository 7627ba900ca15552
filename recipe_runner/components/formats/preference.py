"""Preference pairs: a chosen and a rejected answer."""

from typing import ClassVar, Literal

from recipe_runner.components.format import Example, Format, require_column
from recipe_runner.plan import Shape
from recipe_runner.rows import Row, RowProblem


class Preference(Format):
    """Rows with a chosen and a rejected answer, with or without a prompt of their own.

    Preference algorithms learn from them; `sft` does not, since it has no use for the
    rejected answer. To train on the chosen answers alone, rename the column.

    >>> row = {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}
    >>> sorted(Preference(type="preference").to_example(row))
    ['chosen', 'prompt', 'rejected']
    """

    type: Literal["preference"]
    prompt_column: str = "prompt"
    """Column that holds the prompt; rows may lack it where both answers begin with it."""
    chosen_column: str = "chosen"
    """Column that holds the better answer."""
    rejected_column: str = "rejected"
    """Column that holds the worse answer."""

    shape: ClassVar[Shape] = "preference"
    rank: ClassVar[int] = 15
    snippet: ClassVar[str] = "format: preference"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.chosen_column, self.rejected_column)

    def to_example(self, row: Row) -> Example:
        chosen = require_column(row, self.chosen_column)
        rejected = require_column(row, self.rejected_column)
        if isinstance(chosen, str) != isinstance(rejected, str):
            raise RowProblem("mixed-pair", "has a text and a list of messages as its two answers")
        example: Example = {"chosen": chosen, "rejected": rejected}
        if row.get(self.prompt_column) is not None:
            example["prompt"] = row[self.prompt_column]
        return example

    @classmethod
    def recognises(cls, row: Row) -> str | None:
        if "chosen" in row and "rejected" in row:
            return "there are columns `chosen` and `rejected`"
        return None
