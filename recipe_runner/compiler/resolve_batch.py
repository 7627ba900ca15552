"""Splits the global batch over processes; what the recipe states is never overridden.

`global_batch_size` = `per_device_train_batch_size` x `gradient_accumulation_steps` x
`num_processes`. The global batch is the truth: the same recipe on another number of
devices keeps it. Where no split exists, the rule RR301 says what to change.
"""

import math

from recipe_runner.compiler.resolved import Draft
from recipe_runner.components.base import settled
from recipe_runner.recipe.schema import Recipe

DEFAULT_GLOBAL_BATCH = 16
"""Sequences per optimizer step: small enough for small data sets, large enough to be steady."""


def resolve_batch(draft: Draft) -> Draft:
    """Decide the sizes that the recipe leaves open, in sequences."""
    draft = _global(draft)
    training = draft.recipe.training
    size = settled(training.global_batch_size)
    processes = settled(draft.recipe.launch.num_processes)
    share = max(1, size // processes)
    if training.per_device_train_batch_size == "auto":
        if training.gradient_accumulation_steps == "auto":
            most, why = draft.choice.most_rows, draft.choice.because
            micro = max(d for d in range(1, most + 1) if share % d == 0)
            because = (
                f"the largest divisor of {_counted(share, 'sequence')} per process up to {most}"
            )
            because += f"; {why}" if why else ""
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
        # Answers to a prompt are compared with each other, so a round holds all of them.
        answers = draft.recipe.algorithm.sequences_per_row
        unit = answers // math.gcd(answers, processes)
        size = -(-micro // unit) * unit
        because = "the same as for training"
        if size != micro:
            because = f"{micro} as for training, rounded up to a multiple of {unit}"
        draft = draft.decide("training.per_device_eval_batch_size", size, because)
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
    algorithm = draft.recipe.algorithm
    if steps == micro == "auto":
        # What answers a prompt several times, or compares rows, needs some of them together.
        unit = math.lcm(algorithm.smallest_micro_batch * processes, algorithm.sequences_per_row)
    size = -(-DEFAULT_GLOBAL_BATCH // unit) * unit
    because = "the default, in sequences per optimizer step"
    if size != DEFAULT_GLOBAL_BATCH:
        because = f"the default, {DEFAULT_GLOBAL_BATCH}, rounded up to a multiple of {unit}"
    return draft.decide(path, size, because)


def prompts_of_a_round(recipe: Recipe) -> int:
    """The prompts that are answered at once, over all processes, in a resolved `recipe`."""
    return max(1, answers_of_a_round(recipe) // recipe.algorithm.sequences_per_row)


def answers_of_a_round(recipe: Recipe) -> int:
    """The answers that are made at once, over all processes."""
    micro = settled(recipe.training.per_device_train_batch_size)
    return micro * settled(recipe.launch.num_processes) * steps_of_a_round(recipe)


def steps_of_a_round(recipe: Recipe) -> int:
    """Forward passes that the answers of a round are for."""
    stated = recipe.algorithm.options().get("steps_per_generation")
    return stated or settled(recipe.training.gradient_accumulation_steps)


def _counted(number: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"
