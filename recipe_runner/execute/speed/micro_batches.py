"""Shares the rows of an optimizer step out by tokens.

The trainer draws all rows of a step as one batch, and this cuts it into passes of up to so
many real tokens. The rows of a step are those that they are without it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from recipe_runner.execute.speed import padding_free
from recipe_runner.plan import Plan

if TYPE_CHECKING:
    import torch


def why_not(model: Any) -> str | None:
    """Why the rows of a step are not shared out with a loaded model; None where they can be."""
    why = padding_free.why_not(model)
    return None if why is None else f"fewer passes have more padding, which stays: {why}"


def put_on(plan: Plan, trainer: Any, stack: contextlib.ExitStack) -> Callable[[], str]:
    """Tell of the trainer, which was made for it (`feeds.trainer_class`)."""
    del plan, stack

    def told() -> str:
        if not trainer.passes:
            return ""
        return f"{trainer.steps_shared_out:,} steps in {trainer.passes:,} passes"

    return told


class SharesByTokens:
    """Before a trainer whose loss is divided by the tokens of the whole step."""

    tokens_per_micro_batch: int
    accelerator: Any
    steps_shared_out = 0
    passes = 0

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """Forward and backward of one optimizer step; the sum of the losses of its passes."""
        total: Any = 0.0
        parts = list(shared_out(inputs, self.tokens_per_micro_batch, self._as_many_as))
        self.steps_shared_out += 1
        self.passes += len(parts)
        for number, part in enumerate(parts, 1):
            last = number == len(parts)
            waits = contextlib.nullcontext() if last else self.accelerator.no_sync(model)
            with waits:
                total = total + super().training_step(model, part, num_items_in_batch)  # type: ignore[misc]
        return total

    def _as_many_as(self, parts: int) -> int:
        """The passes of this step in the process that has most: in each they wait for each other."""
        if self.accelerator.num_processes == 1:
            return parts
        import torch

        here = torch.tensor([parts], device=self.accelerator.device)
        return int(self.accelerator.gather(here).max())


def shared_out(
    batch: Mapping[str, Any], most: int, agree: Callable[[int], int] = int
) -> Iterator[dict[str, Any]]:
    """Rows of a padded `batch` in their order, up to `most` real tokens at a time.

    A row that is longer goes alone. Each part is as long as its longest row. `agree` is told how
    many parts there are, and says how many there have to be, as many or more.
    """
    lengths = batch["attention_mask"].sum(1).tolist()
    begins = [0]
    tokens = 0
    for row, length in enumerate(lengths):
        if row > begins[-1] and tokens + length > most:
            begins.append(row)
            tokens = 0
        tokens += length
    wanted = min(agree(len(begins)), len(lengths))
    while len(begins) < wanted:
        ends = [*begins[1:], len(lengths)]
        begin, end = max(zip(begins, ends, strict=True), key=lambda part: part[1] - part[0])
        begins = sorted([*begins, (begin + end) // 2])
    for begin, end in zip(begins, [*begins[1:], len(lengths)], strict=True):
        yield _rows(batch, begin, end, max(lengths[begin:end]))


def _rows(batch: Mapping[str, Any], begin: int, end: int, length: int) -> dict[str, Any]:
    width = batch["attention_mask"].shape[1]

    def part(value: torch.Tensor) -> torch.Tensor:
        rows = value[begin:end]
        return rows[:, :length] if value.dim() > 1 and value.shape[1] == width else rows

    return {name: part(value) for name, value in batch.items()}
