"""Plain text, for continued pretraining."""

from typing import ClassVar, Literal

from recipe_runner.components.format import Example, Format, require_text
from recipe_runner.plan import Shape
from recipe_runner.rows import Row, RowProblem


class Text(Format):
    """Rows with one column of plain text; every token trains.

    Use it for continued pretraining and for data whose template is already applied.
    The end-of-sequence token is appended once.

    >>> Text(type="text").to_example({"text": "Once upon a time."})
    {'text': 'Once upon a time.'}
    """

    type: Literal["text"]
    text_column: str = "text"
    """Column that holds the text."""

    shape: ClassVar[Shape] = "text"
    rank: ClassVar[int] = 90
    snippet: ClassVar[str] = "format: text"

    def to_example(self, row: Row) -> Example:
        text = require_text(row, self.text_column)
        if not text:
            raise RowProblem("empty-text", f"has an empty text in column `{self.text_column}`")
        return {"text": text}

    @classmethod
    def recognises(cls, row: Row) -> str | None:
        return "there is a column `text` of strings" if isinstance(row.get("text"), str) else None
