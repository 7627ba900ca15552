"""A reward as the function that trainers call, which ends the run where it cannot judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.rewards import telling
from recipe_runner.execute.rewards.batch import Batch
from recipe_runner.execute.rewards.completions import CompletionsLog

Judge = Callable[[Batch], Any]
"""Gives one number per answer of a batch."""

_FILLED = ("prompts", "completions", "completion_ids")
"""Arguments of a function of the user's that are no columns."""

_LARGEST = 3.4028234663852886e38
"""The largest number of float32, in which trainers sum rewards up."""


class Judged:
    """Gathers what the rewards of a run say of a batch, and logs it once all have spoken."""

    def __init__(self, weights: Mapping[str, float], log: CompletionsLog | None) -> None:
        self._weights, self._log = weights, log
        self._found: dict[str, Sequence[float]] = {}

    def take(self, name: str, batch: Batch, values: Sequence[float]) -> None:
        """Keep the values of one reward; trainers call rewards in their order."""
        if name == next(iter(self._weights)):
            self._found.clear()
        self._found[name] = values
        if len(self._found) == len(self._weights) and self._log is not None:
            self._log.write(batch, self._found, self._weights)


class RewardFunction:
    """`f(prompts, completions, completion_ids, **columns) -> list[float]`, as TRL calls it.

    `file` is the user's own file, where the judge is from there. Reports RR717 and RR718.
    """

    def __init__(
        self,
        name: str,
        judge: Judge,
        *,
        recipe: str,
        tokenizer: Any,
        judged: Judged,
        file: str | None = None,
    ) -> None:
        # Trainers take the name in metrics from here.
        self.__name__ = name
        self._judge, self._judged = judge, judged
        self._recipe, self._tokenizer, self._file = recipe, tokenizer, file

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> list[float]:
        """What each answer is worth."""
        batch = Batch.of(self._tokenizer, prompts, completions, completion_ids, columns)
        taken = [name for name in _FILLED if name in batch.columns]
        if taken and self._file is not None:
            raise telling.taken(self._recipe, self.__name__, taken[0])
        values = self._numbers(batch, self._said(batch))
        self._judged.take(self.__name__, batch, values)
        return values

    def _said(self, batch: Batch) -> Any:
        try:
            return self._judge(batch)
        except (Exception, SystemExit) as error:
            if isinstance(error, DiagnosticError) or _is_of_memory(error):
                raise
            at = self._culprit(batch, error)
            raise telling.failed(
                self._recipe, self.__name__, error, batch, at, self._file
            ) from error

    def _culprit(self, batch: Batch, error: BaseException) -> int | None:
        """The first answer that fails in the same way alone; None where none does."""
        for at in range(len(batch)):
            try:
                self._judge(batch.only(at))
            except type(error):
                return at
            except Exception:  # noqa: BLE001 - what fails otherwise alone says nothing of the batch
                return None
        return None

    def _numbers(self, batch: Batch, said: Any) -> list[float]:
        name, recipe = self.__name__, self._recipe
        if said is None or isinstance(said, str | bytes | Mapping):
            words = "nothing" if said is None else f"a {type(said).__name__}"
            raise telling.miscounted(recipe, name, batch, words)
        try:
            values = list(said)
        except TypeError as error:
            words = f"a {type(said).__name__}"
            raise telling.miscounted(recipe, name, batch, words) from error
        if len(values) != len(batch):
            raise telling.miscounted(recipe, name, batch, f"{len(values)} values")
        return [self._number(batch, at, value) for at, value in enumerate(values)]

    def _number(self, batch: Batch, at: int, value: Any) -> float:
        name, recipe = self.__name__, self._recipe
        if value is None:
            raise telling.not_finite(recipe, name, batch, at, value)
        if isinstance(value, str | bytes):
            raise telling.not_a_number(recipe, name, batch, at, value)
        try:
            number = float(value)
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise telling.not_a_number(recipe, name, batch, at, value) from error
        if not abs(number) <= _LARGEST:
            raise telling.not_finite(recipe, name, batch, at, number)
        return number


def _is_of_memory(error: BaseException) -> bool:
    """Memory that runs out is told as that, whoever asked for it."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
