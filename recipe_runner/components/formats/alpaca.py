"""Alpaca rows: instruction, optional input, output."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from recipe_runner.components.format import Example, Format, Message, require_text
from recipe_runner.plan import Shape
from recipe_runner.rows import Row, RowProblem

_PREAMBLE = "Below is an instruction that describes a task"
_WITH_INPUT = (
    _PREAMBLE + ", paired with an input that provides further context. "
    "Write a response that appropriately completes the request."
)
_WITHOUT_INPUT = _PREAMBLE + ". Write a response that appropriately completes the request."


class Alpaca(Format):
    r"""Rows with an instruction, an optional input and the output to learn.

    `render` is required because the name means two things in the field: `text` joins
    the columns into the prompt text that Stanford Alpaca published
    (https://github.com/tatsu-lab/stanford_alpaca), for base models; `chat` makes a
    user and an assistant turn, which go through the chat template.

    A system prompt takes the place of the published preamble, or becomes a system turn.
    Earlier exchanges (`history`, pairs of an instruction and its answer) come before the
    instruction, as blocks of the same text or as turns; they belong to the prompt.

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
    """Column with a system prompt; rows may lack it."""
    history_column: str = "history"
    """Column with earlier exchanges, a list of [instruction, answer]; rows may lack it."""

    shape: ClassVar[Shape] = "prompt_completion"
    rank: ClassVar[int] = 40
    snippet: ClassVar[str] = "format: {type: alpaca, render: chat}"

    def to_example(self, row: Row) -> Example:
        instruction = require_text(row, self.instruction_column)
        output = require_text(row, self.output_column)
        if not output:
            raise RowProblem(
                "empty-completion", f"has an empty text in column `{self.output_column}`"
            )
        given = self._optional(row, self.input_column)
        system = self._optional(row, self.system_column)
        history = self._history(row)
        if self.render == "text":
            return {"prompt": _as_text(instruction, given, system, history), "completion": output}
        messages: list[Message] = [{"role": "system", "content": system}] if system else []
        for question, answer in history:
            messages.append({"role": "user", "content": question})
            messages.append({"role": "assistant", "content": answer})
        user = f"{instruction}\n\n{given}" if given else instruction
        messages.append({"role": "user", "content": user})
        return {"prompt": messages, "completion": [{"role": "assistant", "content": output}]}

    def _history(self, row: Row) -> list[tuple[str, str]]:
        value = row.get(self.history_column)
        pairs = value if isinstance(value, list | tuple) else []
        whole = all(
            isinstance(pair, list | tuple)
            and len(pair) == 2
            and all(isinstance(text, str) for text in pair)
            for pair in pairs
        )
        if not whole or (value is not None and pairs is not value):
            raise RowProblem(
                "not-a-history",
                f"has no list of [instruction, answer] in column `{self.history_column}`",
            )
        return [(question, answer) for question, answer in pairs]

    @staticmethod
    def _optional(row: Row, column: str) -> str:
        return "" if row.get(column) is None else require_text(row, column)

    @property
    def renders_chat(self) -> bool:
        return self.render == "chat"

    @classmethod
    def recognises(cls, row: Row) -> str | None:
        output = _output(row)
        if output is None or not isinstance(row.get("instruction"), str):
            return None
        return f"there are columns `instruction` and `{output}`"

    @classmethod
    def recognised_options(cls, row: Row) -> Mapping[str, Any]:
        options = {"render": "chat", "output_column": _output(row) or "output"}
        # Dolly's name for the input.
        return options | ({"input_column": "context"} if _is_dolly(row) else {})


def _output(row: Row) -> str | None:
    columns = ("output", "response")
    return next((column for column in columns if isinstance(row.get(column), str)), None)


def _is_dolly(row: Row) -> bool:
    return "input" not in row and isinstance(row.get("context"), str)


def _as_text(instruction: str, given: str, system: str, history: list[tuple[str, str]]) -> str:
    opening = system or (_WITH_INPUT if given else _WITHOUT_INPUT)
    earlier = [f"{_block(question, '')}{answer}\n\n" for question, answer in history]
    return f"{opening}\n\n{''.join(earlier)}{_block(instruction, given)}"


def _block(instruction: str, given: str) -> str:
    middle = f"### Input:\n{given}\n\n" if given else ""
    return f"### Instruction:\n{instruction}\n\n{middle}### Response:\n"
