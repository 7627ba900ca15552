"""Prompts alone, whose answers are made while training."""

from typing import Any, ClassVar, Literal

from recipe_runner.components.chat import ChatFormat, has_turns
from recipe_runner.components.format import Example, require_column
from recipe_runner.plan import Shape
from recipe_runner.rows import Row, RowProblem


class Prompt(ChatFormat):
    """Rows with a prompt alone, a text or a list of messages.

    For algorithms that let the model answer while they train, and judge its answers.

    >>> Prompt(type="prompt").to_example({"prompt": [{"role": "user", "content": "2 + 2 ="}]})
    {'prompt': [{'role': 'user', 'content': '2 + 2 ='}]}
    """

    type: Literal["prompt"]
    prompt_column: str = "prompt"
    """Column that holds the prompt."""

    shape: ClassVar[Shape] = "prompt"
    rank: ClassVar[int] = 95
    snippet: ClassVar[str] = "format: prompt"

    def to_example(self, row: Row) -> Example:
        prompt: Any = require_column(row, self.prompt_column)
        if isinstance(prompt, str):
            if not prompt:
                raise RowProblem(
                    "empty-text", f"has an empty text in column `{self.prompt_column}`"
                )
            self.refuse_images(row)
            return {"prompt": prompt, **self.beside(row)}
        messages = self.conversation(prompt, self.prompt_column)
        return {"prompt": self.with_images(row, messages), **self.beside(row)}

    @classmethod
    def recognises(cls, row: Row) -> str | None:
        others = {"completion", "completions", "chosen", "rejected"}
        prompt = row.get("prompt")
        if others & row.keys() or not (isinstance(prompt, str) or has_turns(prompt, "role")):
            return None
        return "there is a column `prompt` and none with answers to learn"
