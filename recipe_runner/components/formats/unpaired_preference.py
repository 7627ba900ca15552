"""Answers that are good or bad, one to a row."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from recipe_runner.components.chat import ChatFormat, has_turns
from recipe_runner.components.format import Example, require_column, says_something
from recipe_runner.components.turns import truth
from recipe_runner.plan import Shape
from recipe_runner.rows import Row, RowProblem

_CONVERSATIONS = ("messages", "conversations")


class UnpairedPreference(ChatFormat):
    """Rows with a prompt, one answer, and whether it is a good one.

    Prompt and completion are both texts or both messages. With `conversation_column` they
    stand in one conversation, whose last message is the completion, as LLaMA-Factory has it.
    The label is true or false; 1 and 0 and the texts `true` and `false`, which tables hold
    in their place, mean the same.

    >>> row = {"prompt": "2 + 2 =", "completion": " 4", "label": True}
    >>> UnpairedPreference(type="unpaired_preference").to_example(row)["label"]
    True
    """

    type: Literal["unpaired_preference"]
    prompt_column: str = "prompt"
    """Column that holds the prompt."""
    completion_column: str = "completion"
    """Column that holds the answer."""
    label_column: str = "label"
    """Column that says whether the answer is a good one."""
    conversation_column: str | None = None
    """Column that holds prompt and answer as one conversation; null reads the two columns."""

    shape: ClassVar[Shape] = "unpaired_preference"
    rank: ClassVar[int] = 6
    snippet: ClassVar[str] = "format: unpaired_preference"

    def to_example(self, row: Row) -> Example:
        label = self._label(row)
        if self.conversation_column is not None:
            column = self.conversation_column
            messages = self.conversation(require_column(row, column), column)
            if messages[-1]["role"] != "assistant" or len(messages) < 2:
                raise RowProblem(
                    "no-completion", f"does not end with an answer of the assistant in `{column}`"
                )
            prompt, completion = messages[:-1], messages[-1:]
        else:
            column = self.completion_column
            prompt = require_column(row, self.prompt_column)
            completion = require_column(row, column)
            if isinstance(prompt, str) != isinstance(completion, str):
                raise RowProblem(
                    "mixed-prompt",
                    "has a prompt and a completion of different kinds, text and messages",
                )
            if not completion:
                raise RowProblem(
                    "empty-completion", f"has an empty completion in column `{column}`"
                )
            if isinstance(prompt, str):
                self.refuse_images(row)
                texts: Example = {"prompt": prompt, "completion": completion, "label": label}
                return {**texts, **self.beside(row)}
            answer = [completion] if isinstance(completion, Mapping) else completion
            prompt = self.conversation(prompt, self.prompt_column)
            completion = self.conversation(answer, column)
        if not says_something(completion[-1]):
            raise RowProblem("empty-completion", f"has an empty answer in column `{column}`")
        return {
            "prompt": self.with_images(row, prompt),
            "completion": completion,
            "label": label,
            **self.beside(row),
        }

    def _label(self, row: Row) -> bool:
        value: Any = require_column(row, self.label_column)
        if isinstance(value, str) and value.strip().lower() in ("true", "false"):
            value = value.strip().lower() == "true"
        return truth(value, f"column `{self.label_column}`")

    @classmethod
    def recognises(cls, row: Row) -> str | None:
        tag = "kto_tag" if "kto_tag" in row else "label"
        if not isinstance(row.get(tag), bool):
            return None
        kinds: tuple[Any, ...] = (str, list)
        if isinstance(row.get("prompt"), kinds) and isinstance(row.get("completion"), kinds):
            return f"there are columns `prompt`, `completion` and `{tag}`"
        # A truth value named `label` beside a conversation may label anything.
        column = _conversation(row) if tag == "kto_tag" else None
        return column and f"there are columns `{column}` and `{tag}`"

    @classmethod
    def recognised_options(cls, row: Row) -> Mapping[str, Any]:
        options: dict[str, Any] = {"label_column": "kto_tag"} if "kto_tag" in row else {}
        if "completion" not in row:
            options["conversation_column"] = _conversation(row)
        return options


def _conversation(row: Row) -> str | None:
    return next((column for column in _CONVERSATIONS if has_turns(row.get(column))), None)
