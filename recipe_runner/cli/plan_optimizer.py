"""The lines of a plan that say which parameters train, and at which rate."""

from __future__ import annotations

from collections.abc import Iterator

from recipe_runner.cli.layout import counted, number
from recipe_runner.plan import ModelPlan, Plan, RateGroup, TrainableParts


def chosen_words(model: ModelPlan) -> str | None:
    """What trains and what does not; None where nothing was chosen."""
    words = [f"not {pattern}" for pattern in model.freeze]
    words += _parts(model.trainable) if model.trainable is not None else ()
    words += model.trainable_parameters
    return ", ".join(words) or None


def _parts(parts: TrainableParts) -> Iterator[str]:
    if parts.last_layers:
        count = parts.last_layers
        yield "the last layer" if count == 1 else f"the last {count} layers"
    if parts.embeddings and parts.head:
        yield "embeddings and head"
    elif parts.embeddings or parts.head:
        one, other = ("embeddings", "head") if parts.embeddings else ("head", "embeddings")
        yield f"{one} (the {other} too where they are tied)"
    if parts.norms:
        yield "norms"
    if parts.vision:
        yield "the vision part"


def optimizer_words(plan: Plan) -> str:
    """The optimizer with what it does to all parameters."""
    arguments, wanted = plan.arguments.arguments, plan.optimizer
    name = arguments["optim"] if wanted is None or wanted.name is None else wanted.name
    options = dict(wanted.options) if wanted is not None else {}
    told = "".join(f", {key} {value}" for key, value in options.items())
    return (
        f"{name}{told}, weight decay {arguments['weight_decay']:g}, "
        f"gradients clipped at {arguments['max_grad_norm']:g}"
    )


def group_lines(plan: Plan) -> Iterator[tuple[str, str]]:
    """The groups with a rate of their own, in the order in which they take their parameters."""
    groups = plan.optimizer.groups if plan.optimizer is not None else ()
    for place, group in enumerate(groups):
        yield ("" if place else counted(len(groups), "group")), _group(group)


def _group(group: RateGroup) -> str:
    rates = []
    if group.learning_rate is not None:
        rates.append(f"learning rate {number(group.learning_rate)}")
    if group.weight_decay is not None:
        rates.append(f"weight decay {group.weight_decay:g}")
    return f"{', '.join(rates)}: {group.pattern}"
