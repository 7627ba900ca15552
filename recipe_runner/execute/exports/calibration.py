"""Rows of the run's own training data, as tokens, for quantizers that look at activations."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from recipe_runner.execute.console import Silent
from recipe_runner.execute.exports.target import Job
from recipe_runner.execute.suppliers import default_suppliers
from recipe_runner.execute.tokenizer import load_tokenizer

ROWS = 512
"""Rows to calibrate with, as the authors of GPTQ and llm-compressor's examples do at most."""

LONGEST = 2048
"""Tokens of a row that are used."""


def calibration_rows(job: Job) -> list[list[int]]:
    """Tokens of rows that are spread evenly over the training data; the first ones of a stream."""
    tokenizer = load_tokenizer(job.plan.tokenizer)
    data = default_suppliers().prepare(job.plan, tokenizer, Silent()).train
    tokens = (_tokens(row, tokenizer, job) for row in _spread(data, job))
    return [row[:LONGEST] for row in tokens if row]


def _spread(data: Any, job: Job) -> Iterator[Mapping[str, Any]]:
    if job.plan.data.streaming:
        yield from islice(iter(data), ROWS)
        return
    count = min(ROWS, len(data))
    for number in range(count):
        yield data[number * len(data) // count]


def _tokens(row: Mapping[str, Any], tokenizer: Any, job: Job) -> list[int]:
    """A whole sequence; of a prompt with several answers, the one with the first."""
    if "input_ids" in row:
        return list(row["input_ids"])
    if "prompt_ids" in row:
        answer = next(name for name in row if name.endswith("_ids") and name != "prompt_ids")
        return [*row["prompt_ids"], *row[answer]]
    prompt = row["prompt"] if "prompt" in row else json.loads(row["item"])["prompt"]
    if isinstance(prompt, str):
        return list(tokenizer(prompt)["input_ids"])
    return _rendered(prompt, tokenizer, job)


def _rendered(prompt: Sequence[Mapping[str, Any]], tokenizer: Any, job: Job) -> list[int]:
    ids = tokenizer.apply_chat_template(
        [dict(turn) for turn in prompt],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=False,
        **job.plan.tokenizer.chat_template_kwargs,
    )
    return [int(token) for token in ids]
