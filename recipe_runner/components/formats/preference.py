"""Preference pairs: a chosen and a rejected answer."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from recipe_runner.components.chat import ChatFormat, has_turns
from recipe_runner.components.format import Example, Message, require_column, says_something
from recipe_runner.plan import Shape
from recipe_runner.rows import Row, RowProblem

_PROMPTS = ("prompt", "messages", "conversations")


class Preference(ChatFormat):
    """Rows with a chosen and a rejected answer, with or without a prompt of their own.

    An answer is a text, a list of messages or a single message, with `role` and `content` or
    ShareGPT's `from` and `value`; both are of one kind. The prompt is a text or messages too.
    Rows without a prompt have answers that begin with it, and so have rows whose answers
    repeat it: a prompt that both answers begin with is not put before them again. A third
    answer, a reference worth imitating, is of the same kind as the two and stands as they do.

    Preference algorithms learn from them; `sft` does not, since it has no use for the
    rejected answer. To train on the chosen answers alone, rename the column.

    >>> row = {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}
    >>> sorted(Preference(type="preference").to_example(row))
    ['chosen', 'prompt', 'rejected']
    >>> Preference(type="preference").to_example({**row, "reference": " 4."})["reference"]
    ' 4.'
    """

    type: Literal["preference"]
    prompt_column: str = "prompt"
    """Column that holds the prompt; rows may lack it where both answers begin with it."""
    chosen_column: str = "chosen"
    """Column that holds the better answer."""
    rejected_column: str = "rejected"
    """Column that holds the worse answer."""
    reference_column: str | None = "reference"
    """Column with a third answer that is worth imitating; rows may lack it, null does not read it."""
    margin_column: str = "margin"
    """Column with a number that says by how much the one is better; rows may lack it."""

    shape: ClassVar[Shape] = "preference"
    rank: ClassVar[int] = 4
    snippet: ClassVar[str] = "format: preference"

    def to_example(self, row: Row) -> Example:
        chosen = self._answer(row, self.chosen_column)
        rejected = self._answer(row, self.rejected_column)
        prompt = self._prompt(row)
        example = self.beside(row)
        if isinstance(chosen, str) and isinstance(rejected, str):
            if not isinstance(prompt, str | None):
                raise RowProblem("mixed-pair", "has messages as its prompt and texts as answers")
            self.refuse_images(row)
            if prompt is None and chosen[0] != rejected[0]:
                raise _nothing_shared()
            example |= {"chosen": chosen, "rejected": rejected}
            if prompt is not None:
                example["prompt"] = prompt
        elif isinstance(chosen, str) or isinstance(rejected, str):
            raise RowProblem("mixed-pair", "has a text and a list of messages as its two answers")
        else:
            example |= self._of_messages(row, prompt, chosen, rejected)
        column = self.reference_column
        if column is not None and row.get(column) is not None:
            example["reference"] = self._reference(row, column, prompt, example)
        if (margin := row.get(self.margin_column)) is not None:
            example["margin"] = _margin(margin, self.margin_column)
        return example

    def _answer(self, row: Row, column: str) -> str | list[Message]:
        value = require_column(row, column)
        if isinstance(value, str | list | tuple) and not value:
            raise RowProblem("empty-completion", f"has an empty answer in column `{column}`")
        if isinstance(value, str):
            return value
        messages = self.conversation([value] if isinstance(value, Mapping) else value, column)
        if not says_something(messages[-1]):
            raise RowProblem("empty-completion", f"has an empty last message in column `{column}`")
        return messages

    def _prompt(self, row: Row) -> str | list[Message] | None:
        value = row.get(self.prompt_column)
        if value is None or isinstance(value, str):
            return value
        return self.conversation(value, self.prompt_column)

    def _of_messages(
        self,
        row: Row,
        prompt: str | list[Message] | None,
        chosen: list[Message],
        rejected: list[Message],
    ) -> Example:
        if isinstance(prompt, str):
            said = [answer[0] for answer in (chosen, rejected) if len(answer) > 1]
            asked = [m for m in said if m["role"] == "user" and m["content"] == prompt]
            if len(asked) != 2:
                raise RowProblem(
                    "mixed-pair", "has a text as its prompt, with which its answers do not begin"
                )
            prompt = None
        if prompt is not None and not _repeats(prompt, chosen, rejected):
            return {
                "prompt": self.with_images(row, prompt),
                "chosen": chosen,
                "rejected": rejected,
            }
        if min(len(chosen), len(rejected)) < 2 or chosen[0] != rejected[0]:
            raise _nothing_shared()
        return {
            "chosen": self.with_images(row, chosen),
            "rejected": self.with_images(row, rejected),
        }

    def _reference(
        self, row: Row, column: str, prompt: str | list[Message] | None, example: Example
    ) -> str | list[Message]:
        """The third answer, which has to be like the two of the example."""
        answer, chosen = self._answer(row, column), example["chosen"]
        where = f"has an answer in column `{column}` that"
        if isinstance(answer, str) != isinstance(chosen, str):
            kind = "a text" if isinstance(answer, str) else "a list of messages"
            raise RowProblem("mixed-pair", f"{where} is {kind}, unlike its two others")
        if "prompt" in example:
            if isinstance(prompt, list) and _repeats(prompt, answer):
                raise RowProblem("mixed-pair", f"{where} repeats the prompt, unlike its two others")
            return answer
        if not isinstance(answer, str):
            answer = self.with_images(row, answer)
        if not _repeats(chosen[: len(prompt) if isinstance(prompt, list) else 1], answer):
            raise RowProblem("no-prompt", f"{where} does not begin as its two others do")
        return answer

    @classmethod
    def recognises(cls, row: Row) -> str | None:
        kinds: tuple[Any, ...] = (str, list, Mapping)
        if isinstance(row.get("chosen"), kinds) and isinstance(row.get("rejected"), kinds):
            return "there are columns `chosen` and `rejected`"
        return None

    @classmethod
    def recognised_options(cls, row: Row) -> Mapping[str, Any]:
        found = [c for c in _PROMPTS if isinstance(row.get(c), str) or has_turns(row.get(c))]
        return {"prompt_column": found[0]} if found else {}


def _repeats(prompt: Sequence[Any], *answers: Sequence[Any]) -> bool:
    size = len(prompt)
    return all(len(answer) > size and answer[:size] == prompt for answer in answers)


def _nothing_shared() -> RowProblem:
    return RowProblem("no-prompt", "has no prompt, and its two answers do not begin alike")


def _margin(value: Any, column: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30:
        return float(value)
    raise RowProblem("not-a-margin", f"has no finite number in column `{column}`")
