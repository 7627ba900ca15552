"""Scores a model by what it answers: greedy answers, compared with the expected ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recipe_runner.execute.answering.decoding import (
    Sampling,
    answer_ids,
    for_generation,
    generation_config,
)
from recipe_runner.execute.answering.prompt import Message, prompt_ids

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Conversation = Sequence[Message]
"""Turns in order."""


@dataclass(frozen=True)
class Answer:
    """What a model answered to `prompt`, and what it should have answered."""

    prompt: tuple[Message, ...]
    expected: str
    answer: str

    @property
    def correct(self) -> bool:
        """True where the answer equals the expected one but for white space around them."""
        return self.answer.strip() == self.expected.strip()


@dataclass(frozen=True)
class Score:
    """Answers to conversations, in the order of the conversations."""

    rows: tuple[Answer, ...]

    @property
    def accuracy(self) -> float:
        """The fraction of correct answers, in [0, 1]; 0 where there are no answers."""
        return sum(row.correct for row in self.rows) / max(1, len(self.rows))


def exact_match(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Conversation],
    *,
    max_new_tokens: int,
    batch_size: int = 64,
    chat_template_kwargs: Mapping[str, Any] | None = None,
) -> Score:
    """Let `model` answer the last assistant turn of each conversation and compare.

    The prompt is every turn before that one, then the generation prompt; turns after it
    are not used. `chat_template_kwargs` are those that the model was trained with. Decoding
    is greedy, `batch_size` conversations at a time. The model's
    mode, its generation config and the tokenizer's settings are left as they were.

    Raises ValueError where a conversation has no assistant turn, and where the tokenizer
    has neither a padding nor an end-of-sequence token.
    """
    tasks = [_split(number, row) for number, row in enumerate(rows, start=1)]
    variables = chat_template_kwargs or {}
    prompts = [prompt_ids(tokenizer, prompt, variables) for prompt, _ in tasks]
    config = generation_config(model, tokenizer, Sampling(max_new_tokens))
    # Prompts of similar length share a batch: less padding, the same answers.
    order = sorted(range(len(tasks)), key=lambda index: len(prompts[index]))
    answers = [""] * len(tasks)
    with for_generation(model):
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            made = answer_ids(model, [prompts[index] for index in batch], config)
            for index, ids in zip(batch, made, strict=True):
                answers[index] = str(tokenizer.decode(ids, skip_special_tokens=True))
    return Score(
        tuple(
            Answer(prompt, expected, answer)
            for (prompt, expected), answer in zip(tasks, answers, strict=True)
        )
    )


def _split(number: int, row: Conversation) -> tuple[tuple[Message, ...], str]:
    """The turns before the last assistant turn, and that turn's content."""
    for index in range(len(row) - 1, -1, -1):
        if row[index]["role"] == "assistant":
            return tuple(row[:index]), str(row[index]["content"])
    raise ValueError(f"conversation {number} has no assistant turn")
