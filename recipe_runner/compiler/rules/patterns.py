"""Rules about regular expressions and the names that a recipe writes as text."""

import difflib
import re
from collections.abc import Iterator

from recipe_runner.compiler.resolved import Path, ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.components.base import settled
from recipe_runner.recipe.sections import Loss


@rule("RR308", "unknown-metric")
def unknown_metric(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    `training.metric_for_best_model` is no metric that an evaluation of this algorithm gives.

    ## Why it matters

    Upstream fails at the first evaluation, which may be hours after the start.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, eval: {split: 0.1}}
    algorithm: sft
    training:
      metric_for_best_model: eval_accuracy  # <- RR308
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, eval: {split: 0.1}}
    algorithm: sft
    training:
      metric_for_best_model: eval_mean_token_accuracy
    output_dir: runs/x
    ```
    """
    training, algorithm = resolved.recipe.training, resolved.recipe.algorithm
    metric = settled(training.metric_for_best_model)
    used = training.load_best_model_at_end or training.early_stopping_patience is not None
    known = [f"eval_{name}" for name in algorithm.evaluation_metrics]
    if metric in known or f"eval_{metric}" in known or not (known and used):
        return
    near = difflib.get_close_matches(metric, known, n=1)
    help_text = f"did you mean `{near[0]}`? " if near else ""
    message = (
        f"`training.metric_for_best_model` is {metric}, which {algorithm.type} does not measure"
    )
    yield Finding(
        ("training", "metric_for_best_model"), message, f"{help_text}choices: {', '.join(known)}"
    )


@rule("RR320", "unreadable-pattern")
def unreadable_pattern(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    A text that is used as a regular expression is none.

    ## Why it matters

    It would fail after the data is prepared and the model loaded.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    adapter: {type: lora, target_modules: ".*(q_proj|v_proj"}  # <- RR320
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    adapter: {type: lora, target_modules: ".*(q_proj|v_proj)"}
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    for path, pattern in _patterns(resolved):
        try:
            re.compile(pattern)
        except re.error as error:
            name = ".".join(str(part) for part in path)
            message = f"`{name}` has `{pattern}`, which is no regular expression: {error}"
            yield Finding(
                path, message, "correct it; a backslash makes a bracket an ordinary character"
            )


def _patterns(resolved: ResolvedRecipe) -> Iterator[tuple[Path, str]]:
    model, adapter = resolved.recipe.model, resolved.recipe.adapter
    loss = resolved.recipe.data.loss_on
    for pattern in loss.weights if isinstance(loss, Loss) else ():
        yield ("data", "loss_on", "weights", pattern), pattern
    for key, patterns in (
        ("freeze", model.freeze),
        ("trainable_parameters", model.trainable_parameters),
    ):
        for number, pattern in enumerate(patterns):
            yield ("model", key, number), pattern
    for number, group in enumerate(resolved.recipe.training.parameter_groups):
        yield ("training", "parameter_groups", number, "pattern"), group.pattern
    for field, pattern in adapter.patterns() if adapter is not None else ():
        yield ("adapter", field), pattern
