"""A prompt and its completion, as texts or as messages."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from recipe_runner.components.chat import ChatFormat
from recipe_runner.components.format import Example, require_column
from recipe_runner.plan import Shape
from recipe_runner.rows import Row, RowProblem


class PromptCompletion(ChatFormat):
    """Rows with a prompt and the completion to learn; the prompt does not train.

    Both are texts, which are joined as they are, or both are lists of messages,
    which go through the chat template; a completion may be a single message.

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
            self.refuse_images(row)
            return {"prompt": prompt, "completion": completion, **self.beside(row)}
        answer = [completion] if isinstance(completion, Mapping) else completion
        return {
            "prompt": self.with_images(row, self.conversation(prompt, self.prompt_column)),
            "completion": self.conversation(answer, self.completion_column),
            **self.beside(row),
        }

    @classmethod
    def recognises(cls, row: Row) -> str | None:
        kinds: tuple[Any, ...] = (str, list)
        if isinstance(row.get("prompt"), kinds) and isinstance(row.get("completion"), kinds):
            return "there are columns `prompt` and `completion`"
        return None
