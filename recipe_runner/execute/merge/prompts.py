"""Sample prompts: held-out questions of the run where it kept some, texts, and words at random."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from recipe_runner.execute.record import RunDirectory
from recipe_runner.plan import Plan

ROWS, TOKENS = 4, 32
"""Prompts, and tokens of each."""

_TEXTS = (
    "The capital of France is Paris, and the capital of Italy is Rome.",
    "def add(a, b):\n    return a + b\n\nprint(add(2, 3))",
    "Question: what is 17 + 25? Answer: 42. Explain each step before you answer.",
    "Dear Ms Miller, thank you for your letter of 3 March. Please find our offer below.",
)


@dataclass(frozen=True)
class Prompts:
    """Tokens: int64[B, T]."""

    ids: Any


def sample_prompts(run: RunDirectory, plan: Plan, tokenizer: Any) -> Prompts:
    """Prompts of equal length, so that no padding is computed.

    The last is drawn from the whole vocabulary, with the tokens in it that the run added or
    that its adapter trains.
    """
    import torch

    text: list[int] = []
    for each in (*_held_out(run), *_TEXTS):
        text += tokenizer(each, add_special_tokens=False)["input_ids"]
    length = min(TOKENS, max(1, len(text) // (ROWS - 1)))
    draw = torch.Generator().manual_seed(0)
    drawn = torch.randint(len(tokenizer), (length,), generator=draw).tolist()
    known = list(_special(plan, tokenizer))[:length]
    drawn[: len(known)] = known
    rows = [text[n * length : (n + 1) * length] for n in range(ROWS - 1)]
    return Prompts(torch.tensor([*rows, drawn]))


def _special(plan: Plan, tokenizer: Any) -> Iterator[int]:
    yield from map(tokenizer.convert_tokens_to_ids, plan.tokenizer.add_tokens)
    arguments = {} if plan.adapter is None else plan.adapter.arguments
    for field in ("token_indices", "trainable_token_indices"):
        found = arguments.get(field) or ()
        # PEFT takes a list, or a list for each embedding by its name.
        lists = found.values() if isinstance(found, Mapping) else (found,)
        yield from (index for each in lists for index in each)


def _held_out(run: RunDirectory) -> Iterator[str]:
    """Questions that the run was scored on, which it shows in its outcome."""
    outcome = (run.read_status() or {}).get("outcome") or {}
    for sample in ((outcome.get("scored") or {}).get("samples") or ())[:ROWS]:
        yield json.dumps(sample["prompt"], ensure_ascii=False) + str(sample["expected"])
