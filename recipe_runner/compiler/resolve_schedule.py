"""Decides when things happen in a run: warm-up, evaluations, checkpoints.

Intervals end as numbers of optimizer steps, which is what upstream takes. Where the
number of rows is not known, times per epoch stay what they are, and compiling makes
fractions of all steps of them.
"""

import math

from recipe_runner.compiler.resolved import Draft
from recipe_runner.components.base import settled

WARMUP_FRACTION = 0.03
"""Share of all steps over which the learning rate rises, as in QLoRA (arXiv 2305.14314)."""

WITHOUT_WARMUP = ("constant", "reduce_lr_on_plateau")
"""Schedules to which transformers passes no warm-up."""

SAVE_EVERY = 500
"""Steps between checkpoints, and between evaluations, where nothing else is said."""


def resolve_schedule(draft: Draft, per_epoch: int | None, total: int | None) -> Draft:
    """Decide all intervals. `per_epoch` and `total` count optimizer steps, where they are known."""
    draft = _warmup(draft, total)
    draft = _evaluations(draft, per_epoch)
    draft = _saves(draft, per_epoch)
    return _best_model(draft)


def _warmup(draft: Draft, total: int | None) -> Draft:
    training = draft.recipe.training
    if training.warmup_steps != "auto":
        return draft
    if training.lr_scheduler_type in WITHOUT_WARMUP:
        reason = f"`lr_scheduler_type: {training.lr_scheduler_type}` has no warm-up"
        return draft.decide("training.warmup_steps", 0, reason)
    fraction, said = WARMUP_FRACTION, "the default share"
    if training.warmup_ratio is not None:
        fraction, said = training.warmup_ratio, "`warmup_ratio`"
    if total is None:
        reason = f"{said}, as a fraction of the steps that the data gives"
        return draft.decide("training.warmup_steps", fraction, reason)
    reason = f"{said}, {fraction:g} of {total} steps"
    return draft.decide("training.warmup_steps", math.ceil(fraction * total), reason)


def _evaluations(draft: Draft, per_epoch: int | None) -> Draft:
    training = draft.recipe.training
    if training.eval_strategy == "auto":
        if training.evals_per_epoch is not None or training.eval_steps is not None:
            strategy, reason = "steps", "an interval is stated"
        elif draft.recipe.data.eval is not None and draft.recipe.data.streaming:
            strategy, reason = "steps", "the steps of an epoch of a stream are not known"
        elif draft.recipe.data.eval is not None:
            strategy, reason = "epoch", "there are evaluation rows"
        else:
            strategy, reason = "no", "there are no evaluation rows"
        draft = draft.decide("training.eval_strategy", strategy, reason)
    if draft.recipe.training.eval_strategy != "steps" or training.eval_steps is not None:
        return draft
    if training.evals_per_epoch is not None:
        return _times_per_epoch(draft, "eval", training.evals_per_epoch, per_epoch)
    if training.save_steps is not None:
        return draft.decide("training.eval_steps", training.save_steps, "as often as checkpoints")
    return draft.decide("training.eval_steps", SAVE_EVERY, "the default, in optimizer steps")


def _saves(draft: Draft, per_epoch: int | None) -> Draft:
    training = draft.recipe.training
    evaluations = settled(training.eval_strategy)
    if training.save_strategy == "auto":
        if training.saves_per_epoch is not None or training.save_steps is not None:
            strategy, reason = "steps", "an interval is stated"
        elif draft.recipe.data.eval is not None and evaluations != "no":
            strategy = evaluations
            reason = "a checkpoint at each evaluation, so that the best can be kept"
        else:
            strategy, reason = "steps", "the run does not evaluate"
        draft = draft.decide("training.save_strategy", strategy, reason)
    if draft.recipe.training.save_strategy != "steps" or training.save_steps is not None:
        return draft
    if training.saves_per_epoch is not None:
        return _times_per_epoch(draft, "save", training.saves_per_epoch, per_epoch)
    if evaluations == "steps":
        if training.eval_steps is not None:
            reason = "as often as evaluations"
            return draft.decide("training.save_steps", training.eval_steps, reason)
        times = training.evals_per_epoch
        return draft.decide("training.saves_per_epoch", times, "as often as evaluations")
    return draft.decide("training.save_steps", SAVE_EVERY, "the default, in optimizer steps")


def _times_per_epoch(draft: Draft, what: str, times: int, per_epoch: int | None) -> Draft:
    """Turn times per epoch into steps, where the steps of an epoch are known."""
    if per_epoch is None:
        return draft
    reason = (
        f"`{what}s_per_epoch` is {times}, and an epoch has {per_epoch} step{'s' * (per_epoch != 1)}"
    )
    return draft.decide(f"training.{what}_steps", max(1, per_epoch // times), reason)


def _metric(draft: Draft) -> Draft:
    """The loss tells the better model, but where the model's own answers are judged."""
    if draft.recipe.training.metric_for_best_model != "auto":
        return draft
    algorithm = draft.recipe.algorithm
    metric, reason = "eval_loss", "what the evaluation minimises"
    if "reward" in algorithm.evaluation_metrics:
        metric, reason = "eval_reward", f"{algorithm.type} learns from what answers are worth"
    return draft.decide("training.metric_for_best_model", metric, reason)


def _best_model(draft: Draft) -> Draft:
    draft = _metric(draft)
    training = draft.recipe.training
    metric = settled(training.metric_for_best_model)
    if training.load_best_model_at_end == "auto":
        both = (
            draft.recipe.data.eval is not None
            and training.eval_strategy != "no"
            and training.save_strategy == training.eval_strategy
            and _falls_on(training.save_steps, training.eval_steps)
        )
        reason = (
            "evaluations and checkpoints fall together"
            if both
            else "there is no metric at each checkpoint"
        )
        if draft.recipe.algorithm.rewarded and metric == "eval_loss":
            both, reason = False, "the loss on its own answers does not tell a better model"
        draft = draft.decide("training.load_best_model_at_end", both, reason)
    if training.greater_is_better == "auto":
        higher = not metric.endswith("loss")
        reason = f"`{metric}` is {'no' if higher else 'a'} loss"
        draft = draft.decide("training.greater_is_better", higher, reason)
    return draft


def _falls_on(save_steps: int | None, eval_steps: int | None) -> bool:
    """Whether every checkpoint is at an evaluation; true where neither counts steps."""
    return not save_steps or not eval_steps or save_steps % eval_steps == 0
