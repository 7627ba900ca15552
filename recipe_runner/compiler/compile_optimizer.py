"""What the optimizer is told beyond transformers' arguments: groups of parameters, and Muon."""

from collections.abc import Iterator, Mapping
from typing import Any

from recipe_runner.compiler.optimizers import optimizer_of
from recipe_runner.components.base import settled
from recipe_runner.plan import OptimizerPlan, RateGroup
from recipe_runner.recipe.training import Training

# Names that PEFT gives to what LoRA adds to a layer (`peft.tuners.lora.layer`, 0.21).
_ADAPTED_EMBEDDINGS = r"\.lora_embedding_[AB]\."
_SECOND_MATRICES = r"\.lora_B\.|\.lora_magnitude_vector\."


def compile_optimizer(training: Training) -> OptimizerPlan | None:
    """The groups and the optimizer of this package; None where transformers does it all."""
    groups = (*_of_the_recipe(training), *_loraplus(training))
    ours = optimizer_of(training.optim).ours
    if not groups and not ours:
        return None
    return OptimizerPlan(
        groups,
        name=training.optim if ours else None,
        options=options_of(training.optim_args) if ours else {},
    )


def options_of(text: str | None) -> Mapping[str, Any]:
    """`optim_args` as values: numbers, true and false, and words."""
    pairs = (pair.split("=", 1) for pair in (text or "").split(",") if pair)
    return {key.strip(): _value(value.strip()) for key, value in pairs}


def _value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _of_the_recipe(training: Training) -> Iterator[RateGroup]:
    for number, group in enumerate(training.parameter_groups):
        yield RateGroup(
            group.pattern,
            group.learning_rate,
            group.weight_decay,
            f"training.parameter_groups.{number}",
        )


def _loraplus(training: Training) -> Iterator[RateGroup]:
    """LoRA+ as groups. Source: `peft.optimizers.create_loraplus_optimizer`."""
    ratio = training.loraplus_lr_ratio
    if ratio is None:
        return
    by = "training.loraplus_lr_ratio"
    embeddings = training.loraplus_lr_embedding
    yield RateGroup(_ADAPTED_EMBEDDINGS, embeddings, None, by, demanded=False)
    rate = settled(training.learning_rate) * ratio
    yield RateGroup(_SECOND_MATRICES, rate, None, by)
