"""Prompts alone, whose answers are made while training."""

from typing import Any, ClassVar, Literal

from recipe_runner.components.chat import ChatFormat, has_turns
from recipe_runner.components.format import Example, require_column
from recipe_runner.plan import Shape
from recipe_runner.rows import Row, RowProblem


class Prompt(ChatFormat):
    """Rows with a prompt alone, a text or a list of messages.

    For algorithms that let the model answer while they train. The row's other columns stay
    with the prompt, so that a reward can compare the answer with one of them.

    >>> Prompt(type="prompt").to_example({"prompt": "2 + 2 =", "answer": "4"})
    {'prompt': '2 + 2 =', 'columns': {'answer': '4'}}
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
            return {"prompt": prompt, **self._columns(row), **self.beside(row)}
        messages = self.conversation(prompt, self.prompt_column)
        if messages[-1]["role"] == "assistant":
            raise RowProblem(
                "answered",
                f"ends with a turn of the assistant in column `{self.prompt_column}`, so there is "
                "nothing to answer",
            )
        return {
            "prompt": self.with_images(row, messages),
            **self._columns(row),
            **self.beside(row),
        }

    def _columns(self, row: Row) -> Example:
        """The columns that no other field of the example holds."""
        taken = {
            self.prompt_column,
            self.tools_column,
            self.images_column,
            self.chat_template_kwargs_column,
        }
        left = {name: value for name, value in row.items() if name not in taken}
        return {"columns": left} if left else {}

    @classmethod
    def recognises(cls, row: Row) -> str | None:
        others = {"completion", "completions", "chosen", "rejected"}
        prompt = row.get("prompt")
        if others & row.keys() or not (isinstance(prompt, str) or has_turns(prompt, "role")):
            return None
        return "there is a column `prompt` and none with answers to learn"
