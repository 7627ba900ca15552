"""What a row trains, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from recipe_runner.execute.tokenize import IGNORED, Tokenized, TokenizeSettings, tokenize_batch
from recipe_runner.plan import LossPlan
from recipe_runner.rows import RowProblem


def row(
    tokenizer: Any, example: Mapping[str, Any], loss_on: Any = "assistant", **settings: Any
) -> Tokenized:
    """The one row of `example`; a problem is raised. `loss_on` is a word or a `LossPlan`."""
    loss = loss_on if isinstance(loss_on, LossPlan) else LossPlan.of(loss_on)
    wanted = TokenizeSettings(loss, **settings)
    [result] = tokenize_batch([example], tokenizer, wanted)  # type: ignore[list-item]  # test data
    if isinstance(result, RowProblem):
        raise result
    [only] = result
    return only


def runs(tokenizer: Any, ids: Sequence[int], trained: Sequence[bool]) -> list[str]:
    """The texts of the unbroken runs of trained tokens."""
    groups = groupby(zip(ids, trained, strict=True), key=lambda pair: pair[1])
    return [tokenizer.decode([token for token, _ in run]) for is_on, run in groups if is_on]


def trained_runs(tokenizer: Any, result: Tokenized) -> list[str]:
    """The texts that the labels of a row train, one for each run."""
    for token, label in zip(result.input_ids, result.labels, strict=True):
        assert label in (token, IGNORED)
    return runs(tokenizer, result.input_ids, [label != IGNORED for label in result.labels])
