"""Answers as a trainer hands them to a reward, in one form for all trainers.

TRL calls a reward with `prompts`, `completions`, `completion_ids` and one list per column of
the rows. Prompts and answers are texts, or lists of messages. A row's own columns come
together, as `_columns`, see `feeds.datasets.Prompts`.
Source: `trl.GRPOTrainer._calculate_rewards`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from recipe_runner.components.reward import Answer

Phase = Literal["train", "eval"]

ORIGIN = "_row"
"""The column that says where a prompt is from, such as "data/questions.jsonl:12"."""

PHASE = "_phase"
"""The column that says whether a prompt is of the rows that train, or of those that evaluate."""

COLUMNS = "_columns"
"""The column with the row's own columns, by their names."""

VARIABLES = "chat_template_kwargs"
"""The column with the variables of the chat template, in which some trainers look for them."""

_OURS = (ORIGIN, PHASE, COLUMNS, VARIABLES)


@dataclass(frozen=True)
class Batch:
    """Answers to judge, each with its prompt and its row.

    `columns` have one value per answer, None where its row has none. `rows` say where each
    prompt is from, None where that is not known, `variables` are those of the chat template.
    `others` is what the trainer gives beside them (`trainer_state`, functions that log).
    """

    prompts: Sequence[Any]
    completions: Sequence[Any]
    token_ids: Sequence[Sequence[int]]
    columns: Mapping[str, Sequence[Any]]
    rows: Sequence[str | None]
    variables: Sequence[Mapping[str, Any]]
    phase: Phase
    others: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        tokenizer: Any,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None,
        given: Mapping[str, Any],
    ) -> Batch:
        """What a trainer gave; answers without tokens are tokenized."""
        if completion_ids is None:
            texts = [text_of(answer) for answer in completions]
            completion_ids = [tokenizer(t, add_special_tokens=False)["input_ids"] for t in texts]
        count = len(completions)
        lists = {
            name: values
            for name, values in given.items()
            if isinstance(values, list | tuple) and len(values) == count
        }
        own = lists.get(COLUMNS, [])
        names = dict.fromkeys(name for each in own for name in each)
        return cls(
            prompts,
            completions,
            [_unpadded(ids, tokenizer) for ids in completion_ids],
            {
                **{name: values for name, values in lists.items() if name not in _OURS},
                **{name: [each.get(name) for each in own] for name in names},
            },
            lists.get(ORIGIN) or [None] * count,
            [each or {} for each in lists.get(VARIABLES) or [None] * count],
            (lists.get(PHASE) or ["train"])[0],
            {name: value for name, value in given.items() if name not in lists},
        )

    def __len__(self) -> int:
        return len(self.completions)

    @property
    def step(self) -> int:
        """Optimizer steps taken so far."""
        return int(getattr(self.others.get("trainer_state"), "global_step", 0))

    @property
    def shown(self) -> Mapping[str, Sequence[Any]]:
        """The columns that a function of the user's sees, without those with an underscore."""
        return {name: values for name, values in self.columns.items() if not name.startswith("_")}

    def answers(self) -> list[Answer]:
        """The answers as rewards look at them."""
        return [
            Answer(
                text=text_of(self.completions[at]),
                prompt=text_of(self.prompts[at]),
                row={name: values[at] for name, values in self.columns.items()},
                token_ids=self.token_ids[at],
            )
            for at in range(len(self))
        ]

    def only(self, at: int) -> Batch:
        """The same with a single answer."""
        one = slice(at, at + 1)
        return Batch(
            self.prompts[one],
            self.completions[one],
            self.token_ids[one],
            {name: values[one] for name, values in self.columns.items()},
            self.rows[one],
            self.variables[one],
            self.phase,
            self.others,
        )


def text_of(value: Any) -> str:
    """A text, or the texts of messages, one below the other."""
    if isinstance(value, str):
        return value
    return "\n".join(_content(message.get("content")) for message in value)


def _content(content: Any) -> str:
    """A message's text: where it has several parts, the texts among them."""
    if isinstance(content, list | tuple):
        return "\n".join(str(p["text"]) for p in content if isinstance(p, Mapping) and "text" in p)
    return "" if content is None else str(content)


def _unpadded(ids: Sequence[int], tokenizer: Any) -> Sequence[int]:
    """An answer's tokens up to its end: some trainers give them filled up to one length.

    Where the end token pads as well, one of them is the end.
    """
    pad, end = tokenizer.pad_token_id, len(ids)
    while end and ids[end - 1] == pad:
        end -= 1
    if end < len(ids) and pad == tokenizer.eos_token_id:
        end += 1
    return ids[:end]
