"""Alpaca rows: instruction, optional input, output."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from recipe_runner.components.format import Example, Format, Message, require_text
from recipe_runner.plan import Shape
from recipe_runner.rows import Row, RowProblem

_PREAMBLE = "Below is an instruction that describes a task"
_WITH_INPUT = (
    _PREAMBLE + ", paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
)
_WITHOUT_INPUT = (
    _PREAMBLE + ". Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:\n"
)


class Alpaca(Format):
    r"""Rows with an instruction, an optional input and the output to learn.

    `render` is required because the name means two things in the field: `text` joins
    the columns into the prompt text that Stanford Alpaca published
    (https://github.com/tatsu-lab/stanford_alpaca), for base models; `chat` makes a
    user and an assistant turn, which go through the chat template.

    >>> row = {"instruction": "Add.", "input": "2, 2", "output": "4"}
    >>> Alpaca(type="alpaca", render="chat").to_example(row)["prompt"]
    [{'role': 'user', 'content': 'Add.\n\n2, 2'}]
    """

    type: Literal["alpaca"]
    render: Literal["text", "chat"]
    """`chat`: user and assistant turns for the chat template; `text`: Stanford Alpaca's prompt text."""
    instruction_column: str = "instruction"
    """Column that holds the instruction."""
    input_column: str = "input"
    """Column that holds further input; rows may lack it or leave it empty."""
    output_column: str = "output"
    """Column that holds the output to learn."""
    system_column: str = "system"
    """Column with a system prompt, used with `render: chat`; rows may lack it."""

    shape: ClassVar[Shape] = "prompt_completion"
    rank: ClassVar[int] = 40
    when_recognised: ClassVar[Mapping[str, Any]] = {"render": "chat"}
    snippet: ClassVar[str] = "format: {type: alpaca, render: chat}"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.instruction_column, self.output_column)

    def to_example(self, row: Row) -> Example:
        instruction = require_text(row, self.instruction_column)
        output = require_text(row, self.output_column)
        if not output:
            raise RowProblem(
                "empty-completion", f"has an empty text in column `{self.output_column}`"
            )
        given = self._optional(row, self.input_column)
        if self.render == "text":
            prompt = (_WITH_INPUT if given else _WITHOUT_INPUT).format(
                instruction=instruction, input=given
            )
            return {"prompt": prompt, "completion": output}
        user = f"{instruction}\n\n{given}" if given else instruction
        messages: list[Message] = [{"role": "user", "content": user}]
        if system := self._optional(row, self.system_column):
            messages.insert(0, {"role": "system", "content": system})
        return {"prompt": messages, "completion": [{"role": "assistant", "content": output}]}

    @staticmethod
    def _optional(row: Row, column: str) -> str:
        return "" if row.get(column) is None else require_text(row, column)

    @property
    def renders_chat(self) -> bool:
        return self.render == "chat"

    @classmethod
    def recognises(cls, row: Row) -> str | None:
        if isinstance(row.get("instruction"), str) and isinstance(row.get("output"), str):
            return "there are columns `instruction` and `output`"
        return None
