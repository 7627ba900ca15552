"""Rules about rounds: the answers that are generated at once."""

import math
from collections.abc import Iterator

from recipe_runner.compiler.resolve_batch import answers_of_a_round, prompts_of_a_round
from recipe_runner.compiler.resolved import Path, ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.components.base import settled


@rule("RR364", "generations-do-not-divide")
def generations_do_not_divide(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The answers that are generated in one round, over all processes, are no multiple of the
    answers to a prompt.

    ## Why it matters

    The answers to a prompt are compared with each other, so they have to be in one round.
    Upstream says so only after everything was imported and launched.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/prompts.jsonl}
    algorithm: {type: grpo, num_generations: 5}
    rewards: {type: exact_match, column: answer}
    training: {global_batch_size: 16}  # <- RR364
    output_dir: runs/x
    ```

    ```jsonl data/prompts.jsonl
    {"prompt": "2 + 2 =", "answer": "4"}
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/prompts.jsonl}
    algorithm: {type: grpo, num_generations: 4}
    rewards: {type: exact_match, column: answer}
    training: {global_batch_size: 4}
    output_dir: runs/x
    ```
    """
    algorithm, training = resolved.recipe.algorithm, resolved.recipe.training
    each = algorithm.sequences_per_row
    if not algorithm.generates or each == 1:
        return
    processes = _in_a_round(resolved)
    counted = "1 process" if processes == 1 else f"{processes} processes"
    micro = settled(training.per_device_train_batch_size)
    steps = algorithm.options().get("steps_per_generation")
    rounds = steps or settled(training.gradient_accumulation_steps)
    answers = micro * processes * rounds
    if answers % each:
        path, name, sizes = _batches_that_fit(resolved, each, answers, steps)
        yield Finding(
            path,
            f"{micro} sequences x {counted} x {rounds} step{'s' * (rounds != 1)} = {answers} answers "
            f"in a round, which is not a multiple of the {each} answers to a prompt",
            f"use a `{name}` of {_or(sizes)}, or another number of answers to a prompt",
            of_key=path[0] == "algorithm",
        )
    if not resolved.has_eval or training.eval_strategy == "no":
        return
    each = algorithm.options().get("num_generations_eval") or each
    micro = settled(training.per_device_eval_batch_size)
    if micro * processes % each:
        sizes = _multiples_near(micro, each // math.gcd(each, processes))
        yield Finding(
            ("training", "per_device_eval_batch_size"),
            f"`training.per_device_eval_batch_size` is {micro}, and {micro} x {counted} = "
            f"{micro * processes} is not a multiple of the {each} answers to a prompt",
            f"use {_or(sizes)}",
        )


@rule("RR387", "fewer-rows-than-a-round")
def fewer_rows_than_a_round(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    A round answers more prompts at once than there are rows to train on.

    ## Why it matters

    Rounds are whole: upstream leaves out the rows that do not fill one, which are all of them
    here, so that no step would be taken.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/prompts.jsonl}
    algorithm: {type: grpo, num_generations: 4}
    rewards: {type: exact_match, column: answer}
    training: {global_batch_size: 16}  # <- RR387
    output_dir: runs/x
    ```

    ```jsonl data/prompts.jsonl
    {"prompt": "2 + 2 =", "answer": "4"}
    {"prompt": "2 + 3 =", "answer": "5"}
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/prompts.jsonl}
    algorithm: {type: grpo, num_generations: 4}
    rewards: {type: exact_match, column: answer}
    training: {global_batch_size: 8}
    output_dir: runs/x
    ```

    ```jsonl data/prompts.jsonl
    {"prompt": "2 + 2 =", "answer": "4"}
    {"prompt": "2 + 3 =", "answer": "5"}
    ```
    """
    recipe, rows = resolved.recipe, resolved.training_rows
    if rows is None or not recipe.algorithm.whole_batches:
        return
    if answers_of_a_round(recipe) % recipe.algorithm.sequences_per_row:
        return  # RR364 tells
    keys = ("global_batch_size", "per_device_train_batch_size", "gradient_accumulation_steps")
    stated = [("training", key) for key in keys if f"training.{key}" not in resolved.reasons]
    if recipe.algorithm.options().get("steps_per_generation"):
        stated.insert(0, ("algorithm", "steps_per_generation"))
    prompts = prompts_of_a_round(recipe)
    if stated and rows < prompts:
        counted = "1 row" if rows == 1 else f"{rows} rows"
        message = f"a round answers {prompts} prompts at once, and there are {counted} to train on"
        help_text = "make a step smaller, answer prompts more often each, or give more rows"
        yield Finding(stated[0], message, help_text)


def _batches_that_fit(
    resolved: ResolvedRecipe, each: int, answers: int, steps: int | None
) -> tuple[Path, str, list[int]]:
    """What to change so that a round holds a multiple of `each`: the place, the key, its values.

    It is the key that the recipe states, of those that decide the `answers` of a round.
    """
    training = resolved.recipe.training
    micro = settled(training.per_device_train_batch_size)
    processes = _in_a_round(resolved)
    keys = ("global_batch_size", "per_device_train_batch_size", "gradient_accumulation_steps")
    stated = [key for key in keys if f"training.{key}" not in resolved.reasons]
    if steps is not None:
        step = each // math.gcd(each, micro * processes)
        path: Path = ("algorithm", "steps_per_generation")
        return path, "steps_per_generation", _multiples_near(steps, step)
    if {keys[1], keys[2]} <= set(stated):
        step = each // math.gcd(each, answers // micro)
        return ("training", keys[1]), f"training.{keys[1]}", _multiples_near(micro, step)
    unit = processes
    if keys[1] in stated:
        unit *= micro
    if keys[2] in stated:
        unit *= settled(training.gradient_accumulation_steps)
    path = ("training", stated[0]) if stated else ("algorithm", "num_generations")
    return path, f"training.{keys[0]}", _multiples_near(answers, math.lcm(each, unit))


def _in_a_round(resolved: ResolvedRecipe) -> int:
    """The processes whose answers make up a round: all of them, or each on its own."""
    alone = resolved.recipe.algorithm.rounds_per_process
    return 1 if alone else settled(resolved.recipe.launch.num_processes)


def _multiples_near(size: int, unit: int) -> list[int]:
    """The multiples of `unit` on both sides of `size`, without 0."""
    below = size // unit * unit
    return [multiple for multiple in (below, below + unit) if multiple]


def _or(numbers: list[int]) -> str:
    return " or ".join(map(str, numbers))
