"""Splits the global batch over processes; what the recipe states is never overridden.

`global_batch_size` = `per_device_train_batch_size` x `gradient_accumulation_steps` x
`num_processes`. The global batch is the truth: the same recipe on another number of
devices keeps it. Where no split exists, the rule RR301 says what to change.
"""

from recipe_runner.compiler.resolved import Draft
from recipe_runner.components.base import settled

DEFAULT_GLOBAL_BATCH = 16
"""Sequences per optimizer step: small enough for small data sets, large enough to be steady."""

LARGEST_MICRO_BATCH = 8
"""Sequences per forward pass that are tried by default."""


def resolve_batch(draft: Draft) -> Draft:
    """Decide the sizes that the recipe leaves open, in sequences."""
    draft = _global(draft)
    training = draft.recipe.training
    size = settled(training.global_batch_size)
    processes = settled(draft.recipe.launch.num_processes)
    share = max(1, size // processes)
    if training.per_device_train_batch_size == "auto":
        if training.gradient_accumulation_steps == "auto":
            micro = max(d for d in range(1, LARGEST_MICRO_BATCH + 1) if share % d == 0)
            because = f"the largest divisor of {_counted(share, 'sequence')} per process up to {LARGEST_MICRO_BATCH}"
        else:
            micro = max(1, share // training.gradient_accumulation_steps)
            because = (
                f"{size} / ({_counted(processes, 'process')} x "
                f"{_counted(training.gradient_accumulation_steps, 'accumulation step')})"
            )
        draft = draft.decide("training.per_device_train_batch_size", micro, because)
    micro = settled(draft.recipe.training.per_device_train_batch_size)
    if training.gradient_accumulation_steps == "auto":
        because = f"{size} / ({micro} per process x {_counted(processes, 'process')})"
        steps = max(1, share // micro)
        draft = draft.decide("training.gradient_accumulation_steps", steps, because)
    if training.per_device_eval_batch_size == "auto":
        draft = draft.decide(
            "training.per_device_eval_batch_size", micro, "the same as for training"
        )
    return draft


def _global(draft: Draft) -> Draft:
    training = draft.recipe.training
    if training.global_batch_size != "auto":
        return draft
    micro, steps = training.per_device_train_batch_size, training.gradient_accumulation_steps
    processes = settled(draft.recipe.launch.num_processes)
    path = "training.global_batch_size"
    if micro != "auto" and steps != "auto":
        because = (
            f"{micro} per process x {_counted(steps, 'accumulation step')} x "
            f"{_counted(processes, 'process')}"
        )
        return draft.decide(path, micro * steps * processes, because)
    unit = (1 if micro == "auto" else micro) * (1 if steps == "auto" else steps) * processes
    size = -(-DEFAULT_GLOBAL_BATCH // unit) * unit
    because = "the default, in sequences per optimizer step"
    if size != DEFAULT_GLOBAL_BATCH:
        because = f"the default, {DEFAULT_GLOBAL_BATCH}, rounded up to a multiple of {unit}"
    return draft.decide(path, size, because)


def _counted(number: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"
