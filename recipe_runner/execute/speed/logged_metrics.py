"""Leaves entropy and accuracy out of the steps that are not logged."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from recipe_runner.execute.speed.refused import Refused
from recipe_runner.plan import Plan

_FUNCTION = "_ChunkedLogProbFunction"
_ONLY = ("log_probs",)


def put_on(plan: Plan, trainer: Any, stack: contextlib.ExitStack) -> Callable[[], str]:
    """Compute the loss of other steps from log-probabilities alone, until `stack` ends."""
    del plan
    if trainer.aux_loss_enabled:
        raise Refused("the balance of experts is a part of the loss")
    parallel = getattr(trainer.accelerator, "parallelism_config", None)
    if parallel is not None and parallel.sp_enabled:
        raise Refused("the parts of a row lie in several processes")
    seldom = _Seldom(trainer, trainer.compute_loss)
    trainer.compute_loss = seldom.compute_loss
    stack.callback(delattr, trainer, "compute_loss")
    return seldom.__str__


@dataclass
class _Seldom:
    """The loss of `trainer`, and what its passes without metrics have seen; "" before the first.

    Source: `SFTTrainer.compute_loss` of TRL 1.16, for `loss_type="nll"`.
    """

    trainer: Any
    whole: Callable[..., Any]
    passes: int = 0
    tokens: Any = None

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """TRL's loss, without its metrics in a pass of a step that is not logged."""
        import torch

        trains = self.trainer.model.training and num_items_in_batch is not None
        if return_outputs or not trains or "weights" in inputs or self._is_logged():
            self._settle()
            return self.whole(
                model, inputs, return_outputs=return_outputs, num_items_in_batch=num_items_in_batch
            )
        self.passes += 1
        self._count(inputs)
        inputs["use_cache"] = False
        with _nothing_else():
            scored = model(**inputs, fused_lm_head=True).log_probs
        loss = -scored.sum() / torch.as_tensor(num_items_in_batch).clamp(min=1)
        if self.trainer.args.average_tokens_across_devices:
            loss = loss * (self.trainer.accelerator.num_processes // self.trainer.get_tp_size())
        return loss

    def _is_logged(self) -> bool:
        """True where the step that is being computed will be logged."""
        state, args = self.trainer.state, self.trainer.args
        step = state.global_step + 1
        if str(args.logging_strategy.value) != "steps":
            return True
        return bool(step % state.logging_steps == 0 or (step == 1 and args.logging_first_step))

    def _count(self, inputs: dict[str, Any]) -> None:
        """Add the tokens of a pass up where they are, without waiting for the device."""
        if "attention_mask" in inputs:
            seen = inputs["attention_mask"].sum()
        else:
            seen = inputs["position_ids"].new_tensor(inputs["position_ids"].size(1))
        self.tokens = seen if self.tokens is None else self.tokens + seen

    def _settle(self) -> None:
        """Tell the trainer of the tokens that it has not counted."""
        if self.tokens is None:
            return
        trainer = self.trainer
        seen = trainer.accelerator.gather_for_metrics(self.tokens).sum().item()
        trainer._total_train_tokens += seen // trainer.get_tp_size()
        self.tokens = None

    def __str__(self) -> str:
        return f"{self.passes:,} passes without entropy and accuracy" if self.passes else ""


@contextlib.contextmanager
def _nothing_else() -> Iterator[None]:
    """Within it, TRL's head computes log-probabilities and nothing beside them.

    Source: `trl.trainer.utils.add_fused_lm_head` of TRL 1.16, whose results are None where the
    head has none.
    """
    from trl.trainer import utils

    head = getattr(utils, _FUNCTION)
    setattr(utils, _FUNCTION, _Only(head))
    try:
        yield
    finally:
        setattr(utils, _FUNCTION, head)


@dataclass(frozen=True)
class _Only:
    """A head that is asked for log-probabilities only; its last argument says what is wanted."""

    head: Any

    def apply(self, *given: Any) -> Any:
        return self.head.apply(*given[:-1], _ONLY)
