"""A prompt and its completion, as texts or as messages."""

from typing import Any, ClassVar, Literal

from recipe_runner.components.format import Example, Format, require_column
from recipe_runner.components.formats.messages import conversation
from recipe_runner.plan import Shape
from recipe_runner.rows import Row, RowProblem


class PromptCompletion(Format):
    """Rows with a prompt and the completion to learn; the prompt does not train.

    Both are texts, which are joined as they are, or both are lists of messages,
    which go through the chat template.

    >>> PromptCompletion(type="prompt_completion").to_example(
    ...     {"prompt": "2 + 2 =", "completion": " 4"}
    ... )
    {'prompt': '2 + 2 =', 'completion': ' 4'}
    """

    type: Literal["prompt_completion"]
    prompt_column: str = "prompt"
    """Column that holds the prompt."""
    completion_column: str = "completion"
    """Column that holds the completion."""

    shape: ClassVar[Shape] = "prompt_completion"
    rank: ClassVar[int] = 20
    snippet: ClassVar[str] = "format: prompt_completion"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.prompt_column, self.completion_column)

    def to_example(self, row: Row) -> Example:
        prompt = require_column(row, self.prompt_column)
        completion = require_column(row, self.completion_column)
        if isinstance(prompt, str) != isinstance(completion, str):
            raise RowProblem(
                "mixed-prompt",
                "has a prompt and a completion of different kinds, text and messages",
            )
        if not completion:
            raise RowProblem(
                "empty-completion", f"has an empty completion in column `{self.completion_column}`"
            )
        if isinstance(prompt, str):
            return {"prompt": prompt, "completion": completion}
        return {
            "prompt": conversation(prompt, self.prompt_column),
            "completion": conversation(completion, self.completion_column),
        }

    @classmethod
    def recognises(cls, row: Row) -> str | None:
        kinds: tuple[Any, ...] = (str, list)
        if isinstance(row.get("prompt"), kinds) and isinstance(row.get("completion"), kinds):
            return "there are columns `prompt` and `completion`"
        return None
