"""Rules about the learning rate and its course."""

import difflib
import json
from collections.abc import Iterator, Mapping

from recipe_runner.compiler.resolve_schedule import WITHOUT_WARMUP
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.components.base import settled
from recipe_runner.recipe.schema import Recipe

OPTIONS: Mapping[str, frozenset[str]] = {
    "constant": frozenset(),
    "constant_with_warmup": frozenset(),
    "cosine": frozenset({"num_cycles"}),
    "cosine_with_min_lr": frozenset({"min_lr", "min_lr_rate", "num_cycles"}),
    "cosine_with_restarts": frozenset({"num_cycles"}),
    "inverse_sqrt": frozenset({"timescale"}),
    "linear": frozenset(),
    "polynomial": frozenset({"lr_end", "power"}),
    "reduce_lr_on_plateau": frozenset(
        {"cooldown", "eps", "factor", "min_lr", "mode", "patience", "threshold", "threshold_mode"}
    ),
    "warmup_stable_decay": frozenset(
        {
            "decay_type",
            "min_lr_ratio",
            "num_cycles",
            "num_decay_steps",
            "num_stable_steps",
            "warmup_type",
        }
    ),
}
"""What each schedule takes in `lr_scheduler_kwargs`: the parameters of its function upstream."""

_WORDS = frozenset({"decay_type", "mode", "threshold_mode", "warmup_type"})
"""Options that are words; all others are numbers."""

_ONE_OF: Mapping[str, tuple[str, ...]] = {
    "cosine_with_min_lr": ("min_lr", "min_lr_rate"),
    "warmup_stable_decay": ("num_decay_steps",),
}
"""Options of which a schedule wants exactly one."""

_NEAR = 5
"""Factor within which a learning rate is thought to be meant for another kind of training."""


@rule("RR306", "schedule-does-not-fit")
def schedule_does_not_fit(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    An option of the learning rate's schedule is missing, unknown to this schedule, or has no
    effect with it.

    ## Why it matters

    Upstream fails when the model is loaded and the data prepared, or ignores a warm-up that
    the schedule does not have.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training:
      lr_scheduler_type: cosine_with_min_lr  # <- RR306
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training:
      lr_scheduler_type: cosine_with_min_lr
      lr_scheduler_kwargs: {min_lr_rate: 0.1}
    output_dir: runs/x
    ```
    """
    training = resolved.recipe.training
    schedule, given = training.lr_scheduler_type, training.lr_scheduler_kwargs
    path = ("training", "lr_scheduler_type")
    yield from _options(schedule, given)
    wanted = _ONE_OF.get(schedule, ())
    if wanted and sum(name in given for name in wanted) != 1:
        names = " or ".join(f"`{name}`" for name in wanted)
        message = f"`training.lr_scheduler_type` is {schedule}, which takes {names} and gets "
        message += "both" if all(name in given for name in wanted) else "none"
        yield Finding(path, message, f"give {names} in `training.lr_scheduler_kwargs`")
    if schedule in WITHOUT_WARMUP:
        stated = training.warmup_steps and "training.warmup_steps" not in resolved.reasons
        for key, asked in (("warmup_ratio", training.warmup_ratio), ("warmup_steps", stated)):
            if asked:
                message = f"`training.{key}` has no effect with `lr_scheduler_type: {schedule}`"
                help_text = "use `constant_with_warmup`, or remove it"
                yield Finding(("training", key), message, help_text, of_key=True)
    if schedule == "reduce_lr_on_plateau" and training.eval_strategy == "no":
        message = f"`training.lr_scheduler_type` is {schedule}, and the run never evaluates"
        yield Finding(path, message, "add `data.eval`, such as `{split: 0.05}`")


@rule("RR314", "learning-rate-far-off", "warning")
def learning_rate_far_off(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The learning rate is more than ten times above or below what is usual for this algorithm
    with, or without, an adapter.

    ## Why it matters

    Adapters want about ten times the rate of full fine-tuning; a rate copied from the one to
    the other is the most frequent reason for a run that diverges or does not learn.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training:
      learning_rate: 1e-3  # <- RR314
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training:
      learning_rate: 1e-5
    output_dir: runs/x
    ```
    """
    recipe = resolved.recipe
    rate = settled(recipe.training.learning_rate)
    usual = recipe.algorithm.recommended_learning_rate
    other = recipe.algorithm.recommended_learning_rate_with_adapter
    kind, other_kind = "in full", "with an adapter"
    if recipe.adapter is not None:
        usual, other, kind, other_kind = other, usual, other_kind, kind
        usual *= recipe.adapter.learning_rate_factor
    # A little more than ten, because 1e-6 * 10 is below 1e-5 in floating point.
    most = 10 * (1 + 1e-9)
    if recipe.model.random_init or usual / most <= rate <= usual * most:
        return
    times = rate / usual if rate > usual else usual / rate
    way = "above" if rate > usual else "below"
    message = (
        f"`training.learning_rate` is {rate:g}, {times:.0f} times {way} what is usual "
        f"for {recipe.algorithm.type} {kind}, {usual:g}: {_consequence(recipe, rate > usual)}"
    )
    help_text = f"use `auto` or a value near {usual:g} if this is a slip"
    if other / _NEAR <= rate <= other * _NEAR:
        help_text += f"; {other:g} is usual {other_kind}"
    yield Finding(("training", "learning_rate"), message, help_text)


def _options(schedule: str, given: Mapping[str, object]) -> Iterator[Finding]:
    known = OPTIONS[schedule]
    for name, value in given.items():
        path = ("training", "lr_scheduler_kwargs", name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if name in known and name not in _WORDS and not is_number:
            message = f"`{name}` of `lr_scheduler_type: {schedule}` is {json.dumps(value)}"
            yield Finding(path, message, "write a number")
        if name in known:
            continue
        near = difflib.get_close_matches(name, known, n=1)
        others = ", ".join(f"`{option}`" for option in sorted(known)) or "no options"
        help_text = f"did you mean `{near[0]}`?" if near else f"it takes {others}"
        message = f"`{name}` is no option of `lr_scheduler_type: {schedule}`"
        yield Finding(path, message, help_text, of_key=True)


def _consequence(recipe: Recipe, above: bool) -> str:
    """What becomes of a run with a learning rate that is far from the usual one."""
    if not above:
        few = "an adapter starts without an effect, and hardly gets one"
        return few if recipe.adapter is not None else "the weights hardly move"
    if recipe.algorithm.needs_reference:
        return "the model leaves its reference in a few steps, and what it knew with it"
    return "the loss is likely to rise instead of falling"
