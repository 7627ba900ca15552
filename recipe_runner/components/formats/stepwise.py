"""Answers in steps, each of which is right or wrong."""

from typing import Any, ClassVar, Literal

from recipe_runner.components.format import Example, Format, require_column, require_text
from recipe_runner.components.turns import truth
from recipe_runner.plan import Shape
from recipe_runner.rows import Row, RowProblem, what_is


class Stepwise(Format):
    """Rows with a prompt, the steps of an answer, and whether each step is right.

    Models that judge steps of reasoning learn from them.

    >>> row = {
    ...     "prompt": "2 + 2 * 2 =",
    ...     "completions": ["2 * 2 = 4", "so 8"],
    ...     "labels": [True, False],
    ... }
    >>> Stepwise(type="stepwise").to_example(row)["labels"]
    [True, False]
    """

    type: Literal["stepwise"]
    prompt_column: str = "prompt"
    """Column that holds the prompt, a text."""
    completions_column: str = "completions"
    """Column that holds the steps, a list of texts."""
    labels_column: str = "labels"
    """Column that holds a truth value for each step."""

    shape: ClassVar[Shape] = "stepwise"
    rank: ClassVar[int] = 8
    snippet: ClassVar[str] = "format: stepwise"

    def to_example(self, row: Row) -> Example:
        prompt = require_text(row, self.prompt_column)
        steps = self._list(row, self.completions_column)
        labels = self._list(row, self.labels_column)
        for number, step in enumerate(steps, 1):
            where = f"step {number} of `{self.completions_column}`"
            if not isinstance(step, str):
                kind = what_is(step)
                raise RowProblem("not-text", f"has {kind} where text is expected, in {where}")
            if not step:
                raise RowProblem("empty-completion", f"has an empty text in {where}")
        if not steps:
            raise RowProblem("empty-completion", f"has no step in `{self.completions_column}`")
        if len(labels) != len(steps):
            raise RowProblem(
                "length-differs",
                f"has {_counted(len(labels), 'label')} for its {_counted(len(steps), 'step')}",
            )
        return {
            "prompt": prompt,
            "completions": steps,
            "labels": [
                truth(label, f"label {number} of `{self.labels_column}`")
                for number, label in enumerate(labels, 1)
            ],
        }

    @staticmethod
    def _list(row: Row, column: str) -> list[Any]:
        value = require_column(row, column)
        if not isinstance(value, list | tuple):
            kind = what_is(value)
            raise RowProblem(
                "not-a-list", f"has {kind} where a list is expected, in column `{column}`"
            )
        return list(value)

    @classmethod
    def recognises(cls, row: Row) -> str | None:
        lists = isinstance(row.get("completions"), list) and isinstance(row.get("labels"), list)
        if lists and isinstance(row.get("prompt"), str):
            return "there are columns `prompt`, `completions` and `labels`"
        return None


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
