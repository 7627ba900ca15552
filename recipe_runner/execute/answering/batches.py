"""Answers to all prompts of a file, batch by batch and in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from recipe_runner.execute.answering.decoding import (
    Sampling,
    answer_ids,
    for_generation,
    generation_config,
)
from recipe_runner.execute.answering.prompt import PromptRefused, Room, prompt_ids, text_ids
from recipe_runner.execute.answering.rows import PromptFile, PromptRow, raise_all, unreadable
from recipe_runner.execute.answering.sides import Sides
from recipe_runner.execute.loading import Loaded
from recipe_runner.plan import digest


@dataclass(frozen=True)
class Batch:
    """Rows with their answers, by the columns to write them to.

    `tokens` is how many the answers have together, `cut` how many answers reached the limit.
    """

    rows: tuple[PromptRow, ...]
    answers: Mapping[str, tuple[str, ...]]
    tokens: int
    cut: int

    def written(self) -> Iterator[dict[str, Any]]:
        """Each row with its answers behind its own columns."""
        for number, row in enumerate(self.rows):
            answers = {column: texts[number] for column, texts in self.answers.items()}
            yield {**row.row, **answers}


@dataclass(frozen=True)
class Answering:
    """Who answers, and how. `columns` name a column for each side: True is what the run made."""

    sides: Sides
    sampling: Sampling
    columns: Mapping[bool, str]
    batch_size: int
    raw: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """What the answers depend on, as values of JSON."""
        sides, drawn = self.sides, self.sampling.temperature > 0
        return {
            "plan": digest(sides.finished.plan),
            "merged": sides.merged,
            "dtype": sides.dtype or "auto",
            "raw": self.raw,
            **asdict(self.sampling),
            # Each batch is drawn with a seed of its own.
            "batch_size": self.batch_size if drawn else "any",
        }

    def prepare(self, file: PromptFile) -> list[list[int]]:
        """The tokens of each prompt. Reports RR630 for prompts that the model cannot take."""
        loaded = self.sides.made()
        room = Room.of(loaded.model).for_prompt(self.sampling.max_new_tokens)
        prompts, faults = [], []
        for row in file.rows:
            why = None
            ids: list[int] = []
            try:
                ids = self._ids(loaded, row)
            except PromptRefused as error:
                why = f"the chat template refuses the prompt: {error}"
            if room is not None and len(ids) > room:
                why = f"the prompt has {len(ids):,} tokens, and there is room for {room:,}"
            if why is not None:
                faults.append(unreadable(file.name, row.line, row.text, why, "correct the row"))
            prompts.append(ids)
        raise_all(faults)
        return prompts

    def answers(
        self, rows: Sequence[PromptRow], prompts: Sequence[Sequence[int]], start: int = 0
    ) -> Iterator[Batch]:
        """The answers to the rows from `start` on, in their order.

        With sampling each batch has a seed of its own, so that a later start draws the same.
        """
        for first in range(start, len(rows), self.batch_size):
            last = first + self.batch_size
            yield self._batch(rows[first:last], prompts[first:last], first)

    def _batch(
        self, rows: Sequence[PromptRow], prompts: Sequence[Sequence[int]], first: int
    ) -> Batch:
        from transformers import set_seed

        answers: dict[str, tuple[str, ...]] = {}
        tokens = cut = 0
        for adapted, column in self.columns.items():
            with self.sides.using(adapted=adapted) as loaded:
                config = generation_config(loaded.model, loaded.tokenizer, self.sampling)
                room = Room.of(loaded.model)
                config.max_new_tokens = room.for_answer(self.sampling.max_new_tokens)
                if self.sampling.temperature > 0:
                    set_seed(self.sampling.seed + first)
                with for_generation(loaded.model):
                    made = answer_ids(loaded.model, prompts, config)
                answers[column] = tuple(
                    str(loaded.tokenizer.decode(ids, skip_special_tokens=True)) for ids in made
                )
                tokens += sum(map(len, made))
                ends = set(config.eos_token_id or ())
                cut += sum(not ids or ids[-1] not in ends for ids in made)
        return Batch(tuple(rows), answers, tokens, cut)

    def _ids(self, loaded: Loaded, row: PromptRow) -> list[int]:
        if self.raw and isinstance(row.prompt, str):
            return text_ids(loaded.tokenizer, row.prompt)
        return prompt_ids(loaded.tokenizer, row.turns, loaded.chat_template_kwargs)
