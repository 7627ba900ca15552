"""Calls a reward function of TRL's own."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from recipe_runner.components.reward import RewardError, UpstreamFunction
from recipe_runner.execute.rewards.batch import Batch, text_of


class UpstreamJudge:
    """TRL's functions want every answer as one message, and texts in columns."""

    def __init__(self, upstream: UpstreamFunction) -> None:
        module, _, name = upstream.target.partition(":")
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
        self._function = found if upstream.makes is None else found(**upstream.makes)
        self._upstream = upstream

    def __call__(self, batch: Batch) -> list[Any]:
        said: list[Any] = self._function(
            prompts=list(batch.prompts),
            completions=[
                [{"role": "assistant", "content": text_of(answer)}] for answer in batch.completions
            ],
            completion_ids=[list(ids) for ids in batch.token_ids],
            **{
                argument: [_only(answer.texts(column), column) for answer in batch.answers()]
                for argument, column in self._upstream.columns.items()
            },
            **self._upstream.arguments,
        )
        for value in said:
            # TRL's word for a row that it can say nothing about, which it then leaves out.
            if value is None:
                columns = ", ".join(f"`{column}`" for column in self._upstream.columns.values())
                raise RewardError(f"TRL cannot read what the row has in column {columns}")
        return said


def _only(texts: list[str], column: str) -> str:
    if len(texts) > 1:
        raise RewardError(
            f"the row has {len(texts)} values in column `{column}`, and TRL takes one"
        )
    return texts[0]
