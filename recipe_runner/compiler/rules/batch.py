"""Rules about batches and duration."""

from collections.abc import Iterator

from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.components.base import settled


@rule("RR301", "batch-not-divisible")
def batch_not_divisible(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    `training.global_batch_size` is not the product of the sequences per process, the
    accumulation steps and the number of processes.

    ## Why it matters

    The global batch is part of the science: it decides the number of optimizer steps and,
    with the learning rate, the result. It is never rounded in silence.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training:
      global_batch_size: 10  # <- RR301
      per_device_train_batch_size: 4
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training:
      global_batch_size: 12
      per_device_train_batch_size: 4
    output_dir: runs/x
    ```
    """
    training = resolved.recipe.training
    size, micro = settled(training.global_batch_size), settled(training.per_device_train_batch_size)
    steps = settled(training.gradient_accumulation_steps)
    processes = settled(resolved.recipe.launch.num_processes)
    if micro * steps * processes == size:
        return
    counted = "1 process" if processes == 1 else f"{processes} processes"
    unit, factors = processes, counted
    if "training.per_device_train_batch_size" not in resolved.reasons:
        unit, factors = micro * processes, f"{micro} sequences x {counted} = {micro * processes}"
    below, above = size // unit * unit, (size // unit + 1) * unit
    if size % unit:
        nearest = f"{below} and {above} are" if below else f"{above} is"
        message = (
            f"`training.global_batch_size` is {size}, which is not a multiple of {factors}; "
            f"{nearest}"
        )
    else:
        message = (
            f"`training.global_batch_size` is {size}, but {micro} sequences x {steps} accumulation steps "
            f"x {counted} = {micro * steps * processes}"
        )
    yield Finding(
        ("training", "global_batch_size"),
        message,
        "change one of them, or leave out those that the others decide",
    )


@rule("RR302", "two-intervals")
def two_intervals(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    An interval is stated twice: as a number of steps, and as times per epoch, or beside a
    strategy that does not use it.

    ## Why it matters

    Only one of the two can hold, and the other would have no effect.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training:
      save_steps: 50
      saves_per_epoch: 2  # <- RR302
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training: {saves_per_epoch: 2}
    output_dir: runs/x
    ```
    """
    training = resolved.recipe.training
    for what, strategy, decided, per_epoch in (
        ("save", training.save_strategy, training.save_steps, training.saves_per_epoch),
        ("eval", training.eval_strategy, training.eval_steps, training.evals_per_epoch),
    ):
        steps = None if f"training.{what}_steps" in resolved.reasons else decided
        if steps is not None and per_epoch is not None:
            message = f"`training.{what}_steps` and `training.{what}s_per_epoch` are both given"
            yield Finding(
                ("training", f"{what}s_per_epoch"), message, "keep one of them", of_key=True
            )
        elif strategy != "steps" and (steps is not None or per_epoch is not None):
            key = f"{what}_steps" if steps is not None else f"{what}s_per_epoch"
            message = f"`training.{key}` has no effect with `{what}_strategy: {strategy}`"
            yield Finding(
                ("training", key),
                message,
                f"set `{what}_strategy: steps`, or remove it",
                of_key=True,
            )
    if training.warmup_ratio is not None and "training.warmup_steps" not in resolved.reasons:
        message = "`training.warmup_ratio` and `training.warmup_steps` are both given"
        yield Finding(("training", "warmup_ratio"), message, "keep one of them", of_key=True)


@rule("RR303", "interval-without-evaluation")
def interval_without_evaluation(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    Something that looks at evaluation results is asked for, and the recipe has no
    evaluation rows or never evaluates.

    ## Why it matters

    Early stopping, the best checkpoint and the score would silently never happen.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training: {early_stopping_patience: 2}  # <- RR303
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, eval: {split: 1}}
    algorithm: sft
    training: {early_stopping_patience: 2}
    output_dir: runs/x
    ```
    """
    training = resolved.recipe.training
    evaluates = resolved.has_eval and training.eval_strategy != "no"
    why = (
        "the recipe has no evaluation rows"
        if not resolved.has_eval
        else "`training.eval_strategy` is no"
    )
    help_text = "add `data.eval`, such as `{split: 0.05}`"
    wishes = {
        "early_stopping_patience": training.early_stopping_patience is not None,
        "evals_per_epoch": training.evals_per_epoch is not None,
        "eval_steps": training.eval_steps is not None
        and "training.eval_steps" not in resolved.reasons,
        "eval_on_start": training.eval_on_start,
        "load_best_model_at_end": training.load_best_model_at_end is True,
    }
    for key, wished in wishes.items():
        if wished and not evaluates:
            yield Finding(
                ("training", key),
                f"`training.{key}` needs evaluations, but {why}",
                help_text,
                of_key=True,
            )
    if not resolved.has_eval and training.eval_strategy != "no":
        message = f"`training.eval_strategy` is {training.eval_strategy}, but {why}"
        yield Finding(("training", "eval_strategy"), message, help_text)
    if resolved.recipe.score is not None and not resolved.has_eval:
        yield Finding(
            ("score",), f"`score` answers evaluation rows, but {why}", help_text, of_key=True
        )


@rule("RR304", "best-model-out-of-step")
def best_model_out_of_step(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The best checkpoint is to be kept, but checkpoints and evaluations do not fall together.

    ## Why it matters

    The best evaluation would have no checkpoint to go back to; upstream refuses the pair
    after the model was loaded.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, eval: {split: 1}}
    algorithm: sft
    training:
      load_best_model_at_end: true  # <- RR304
      eval_steps: 50
      save_steps: 70
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, eval: {split: 1}}
    algorithm: sft
    training:
      load_best_model_at_end: true
      eval_steps: 50
      save_steps: 100
    output_dir: runs/x
    ```
    """
    training = resolved.recipe.training
    if training.load_best_model_at_end is not True:
        return
    path = ("training", "load_best_model_at_end")
    if training.save_strategy != training.eval_strategy:
        message = (
            f"`training.load_best_model_at_end` needs checkpoints at evaluations, but `save_strategy` is "
            f"{training.save_strategy} and `eval_strategy` is {training.eval_strategy}"
        )
        yield Finding(path, message, "make the two strategies equal")
    elif training.save_steps and training.eval_steps and training.save_steps % training.eval_steps:
        message = (
            f"`training.save_steps` is {training.save_steps}, which is no multiple of "
            f"`eval_steps`, {training.eval_steps}"
        )
        yield Finding(
            path,
            message,
            f"use {training.eval_steps * -(-training.save_steps // training.eval_steps)}",
        )


@rule("RR305", "workers-missing")
def workers_missing(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    An option of the processes that read rows is given, and there are no such processes.

    ## Why it matters

    PyTorch refuses the options without `dataloader_num_workers`, after the model was loaded.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training: {dataloader_prefetch_factor: 4}  # <- RR305
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training: {dataloader_num_workers: 2, dataloader_prefetch_factor: 4}
    output_dir: runs/x
    ```
    """
    training = resolved.recipe.training
    if training.dataloader_num_workers:
        return
    for key, given in (
        ("dataloader_prefetch_factor", training.dataloader_prefetch_factor is not None),
        ("dataloader_persistent_workers", training.dataloader_persistent_workers),
    ):
        if given:
            message = (
                f"`training.{key}` is about reading processes, and `dataloader_num_workers` is 0"
            )
            yield Finding(
                ("training", key),
                message,
                "set `dataloader_num_workers`, or remove it",
                of_key=True,
            )
