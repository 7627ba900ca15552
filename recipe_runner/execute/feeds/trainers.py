"""Trainers of TRL that take prepared rows as they are.

TRL's trainers render and tokenize what they are given. Here rows arrive with their tokens,
cut and counted, and doing it again would need the texts and could drop rows in silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from recipe_runner.execute.build import class_of
from recipe_runner.execute.data.build import is_weighted
from recipe_runner.execute.data.columns import ANSWERS
from recipe_runner.execute.feeds import mended
from recipe_runner.plan import Plan


def trainer_class(plan: Plan) -> Any:
    """The plan's trainer, or a subclass that takes prepared rows, resumes exactly or mends a fault."""
    if is_weighted(plan.data):
        from recipe_runner.execute.sft.trainer import WeightedSFTTrainer

        kind: Any = WeightedSFTTrainer
    else:
        kind = class_of(plan.trainer.target)
    mixins = tuple(_mixins(plan, kind))
    if not mixins:
        return kind
    # The name is what logs, cards and saved states of the trainer show.
    own = {
        "__module__": kind.__module__,
        "recipe_path": plan.recipe_path,
        "tokens_per_micro_batch": plan.speed.tokens_per_micro_batch,
    }
    return type(kind.__name__, (*mixins, kind), own)


def _mixins(plan: Plan, kind: type) -> Iterator[type]:
    if plan.speed.tokens_per_micro_batch is not None:
        from recipe_runner.execute.speed.micro_batches import SharesByTokens

        yield SharesByTokens
    if plan.feed in ANSWERS:
        yield _Judged if plan.feed == "judged" else _Prepared
    if plan.trainer.target in mended.MENDED:
        yield mended.MENDED[plan.trainer.target]
    if plan.feed == "prompts":
        yield from _of_rounds(kind)


def _of_rounds(kind: type) -> Iterator[type]:
    """What a trainer lacks that learns in rounds of answers."""
    from trl import GRPOTrainer, RLOOTrainer

    from recipe_runner.execute.feeds.rounds import KeepsRounds

    if issubclass(kind, GRPOTrainer | RLOOTrainer) and not issubclass(kind, KeepsRounds):
        yield KeepsRounds


class _Prepared:
    """Overrides what prepares rows. Source: `_prepare_dataset` of TRL's preference trainers."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset


class _Judged:
    """Adds the mismatched answers by which KTO estimates how far the model has moved.

    Within each batch, a prompt is put before the answer of the row above it.
    Source: arXiv 2402.01306, section 4.1; `trl.KTOTrainer._prepare_dataset`.
    """

    calculate_KL: bool  # noqa: N815  # upstream's name

    def _prepare_dataset(self, dataset: Any, processing_class: Any, args: Any, name: str) -> Any:
        del processing_class, name
        if not self.calculate_KL:
            return dataset
        return dataset.map(
            _turned_by_one,
            batched=True,
            batch_size=args.per_device_train_batch_size,
            keep_in_memory=False,
        )


def _turned_by_one(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    answers = rows["completion_ids"]
    return {**rows, "KL_completion_ids": [answers[-1], *answers[:-1]]}
