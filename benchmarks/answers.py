"""Answers for GRPO that are there already: what is timed is how a trainer learns from them.

Generating is a job of its own, and the same in all arms. Here the method of TRL's trainer that
generates (`GRPOTrainer._generate_single_turn`, TRL 1.16) gives answers that depend on nothing but
the prompt. All else is done, and timed, as it is: rewards, advantages, the forward and backward
pass and the optimizer.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from typing import Any

from benchmarks.jobs import Job
from benchmarks.rows import ids, length
from benchmarks.timing import Counted


def given_answers(trainer: Any, job: Job, counted: Counted) -> Any:
    """Let `trainer` get its answers from here, and note how many tokens they and prompts have."""

    def give(prompts: Sequence[Sequence[int]], *_: Any, **__: Any) -> tuple[list[list[int]], None]:
        found = [_answer(job, prompt, number) for number, prompt in enumerate(prompts)]
        lengths = [len(each) + len(own) for each, own in zip(prompts, found, strict=True)]
        width = max(map(len, prompts)) + max(map(len, found))
        counted.note(lengths, width * len(lengths))
        return found, None

    trainer._generate_single_turn = give
    return trainer


def _answer(job: Job, prompt: Sequence[int], number: int) -> list[int]:
    """The `number`th answer of a round; the answers to a prompt stand side by side there."""
    seed = zlib.crc32(repr([list(prompt), number % job.answers]).encode())
    draw = random.Random(seed)
    return ids(draw, job, length(draw, job))


def target(job: Job) -> int:
    """Tokens of the best answer."""
    return job.usual


def reward(job: Job) -> Any:
    """A reward of TRL's form: 1 for `target` tokens, less the further from there, 0 at least.

    What a recipe has as `length`.
    """

    def of_length(completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float]:
        best = target(job)
        return [max(0.0, 1 - abs(len(each) - best) / best) for each in completion_ids]

    return of_length
