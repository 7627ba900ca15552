"""Rules about an algorithm's own options, and about what a recipe asks of its trainer and model."""

from collections.abc import Iterator

from recipe_runner.compiler.packages import required
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.components.algorithm import Severity


@rule("RR360", "algorithm-options-conflict")
def algorithm_options_conflict(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    Two options of the algorithm cannot stand together, or one of them cannot stand beside
    another key of the recipe.

    ## Why it matters

    Upstream says so only after the model was loaded, or takes one of the two and says nothing.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/pairs.jsonl}
    algorithm: {type: dpo, loss_type: exo_pair}  # <- RR360
    output_dir: runs/x
    ```

    ```jsonl data/pairs.jsonl
    {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/pairs.jsonl}
    algorithm: {type: dpo, loss_type: exo_pair, label_smoothing: 1e-3}
    output_dir: runs/x
    ```
    """
    yield from _conflicts(resolved, "error")
    recipe = resolved.recipe
    if recipe.algorithm.options().get("sync_ref_model") and recipe.adapter is not None:
        message = (
            "`algorithm.sync_ref_model` moves a reference model, and with an adapter the reference "
            "is the base, which stays as it is"
        )
        path = ("algorithm", "sync_ref_model")
        yield Finding(path, message, "remove it, or the adapter", of_key=True)


@rule("RR361", "algorithm-options-unusual", "warning")
def algorithm_options_unusual(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    An option of the algorithm has no effect beside the others, or a value far from what is
    usual with them.

    ## Why it matters

    The run goes through, and what it learns is seldom what was meant.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/pairs.jsonl}
    algorithm: {type: dpo, label_smoothing: 0.1}  # <- RR361
    output_dir: runs/x
    ```

    ```jsonl data/pairs.jsonl
    {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/pairs.jsonl}
    algorithm: {type: dpo, loss_type: robust, label_smoothing: 0.1}
    output_dir: runs/x
    ```
    """
    yield from _conflicts(resolved, "warning")


@rule("RR362", "experimental-algorithm", "note")
def experimental_algorithm(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The algorithm's trainer is experimental upstream: its authors may change it, or remove it,
    with any release.

    ## Why it matters

    The same recipe may give another result, or none, with another version of the package.
    So the plan names the versions that it was made for, and a run with others is refused.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/pairs.jsonl}
    algorithm: orpo  # <- RR362
    output_dir: runs/x
    ```

    ```jsonl data/pairs.jsonl
    {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}
    ```

    ## Instead

    It is a note, and nothing has to change.
    Where a recipe should last for years, take an algorithm that upstream keeps stable:

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/pairs.jsonl}
    algorithm: dpo
    output_dir: runs/x
    ```
    """
    algorithm = resolved.recipe.algorithm
    if not algorithm.experimental:
        return
    package = algorithm.trainer.partition(":")[0].partition(".")[0]
    versions = next(each.versions for each in required(resolved) if each.package == package)
    message = (
        f"{algorithm.type} is experimental in {package}, which may change it with any release; the "
        f"plan is for {package} {versions}"
    )
    yield Finding(("algorithm",), message, "keep that version where results have to stay the same")


@rule("RR373", "score-without-words")
def score_without_words(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    `score` asks the trained model for answers, and this algorithm trains one that gives
    numbers.

    ## Why it matters

    A reward model has no words to answer with, so the run would end with nothing to score.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/pairs.jsonl, eval: {split: 1}}
    algorithm: reward
    score: {rows: 10}  # <- RR373
    output_dir: runs/x
    ```

    ```jsonl data/pairs.jsonl
    {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}
    {"prompt": "3 + 3 =", "chosen": " 6", "rejected": " 5"}
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/pairs.jsonl, eval: {split: 1}}
    algorithm: reward
    output_dir: runs/x
    ```
    """
    algorithm = resolved.recipe.algorithm
    if resolved.recipe.score is not None and not algorithm.scores:
        message = (
            f"`score` asks for answers in words, which a model of {algorithm.type} does not give"
        )
        measured = ", ".join(algorithm.evaluation_metrics)
        help_text = f"remove it; its evaluations measure {measured}"
        yield Finding(("score",), message, help_text, of_key=True)


def _conflicts(resolved: ResolvedRecipe, severity: Severity) -> Iterator[Finding]:
    for found in resolved.recipe.algorithm.conflicts():
        if found.severity == severity:
            yield Finding(("algorithm", found.field), found.message, found.help, of_key=True)


@rule("RR377", "algorithm-cannot-evaluate")
def algorithm_cannot_evaluate(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The recipe has evaluation rows, and the trainer of its algorithm cannot evaluate.

    ## Why it matters

    Upstream's trainer would end the run with an error at the first evaluation.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data:
      train: data/prompts.jsonl
      eval: {split: 1}  # <- RR377
    algorithm: online_dpo
    rewards: {type: exact_match, column: answer}
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
    algorithm: online_dpo
    rewards: {type: exact_match, column: answer}
    output_dir: runs/x
    ```

    ```jsonl data/prompts.jsonl
    {"prompt": "2 + 2 =", "answer": "4"}
    {"prompt": "2 + 3 =", "answer": "5"}
    ```
    """
    algorithm = resolved.recipe.algorithm
    if resolved.has_eval and not algorithm.evaluation_metrics:
        message = f"`{algorithm.type}` has no evaluation, and the recipe has rows for one"
        yield Finding(("data", "eval"), message, "remove `data.eval`", of_key=True)
