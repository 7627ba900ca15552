"""Rules about what judges the model's own answers."""

from collections.abc import Collection, Iterator

from recipe_runner.compiler.resolved import ResolvedRecipe, ResolvedSource
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.rows import RowProblem, rename


@rule("RR365", "rewards-missing")
def rewards_missing(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The algorithm lets the model answer prompts and learns from what its answers are worth, and
    the recipe does not say how to judge them.

    ## Why it matters

    Without a reward every answer is as good as any other, and there is nothing to learn.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/questions.jsonl}
    algorithm: grpo  # <- RR365
    output_dir: runs/x
    ```

    ```jsonl data/questions.jsonl
    {"prompt": "2 + 2 =", "answer": "4"}
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/questions.jsonl}
    algorithm: grpo
    rewards: {type: number_match, column: answer}
    output_dir: runs/x
    ```
    """
    algorithm = resolved.recipe.algorithm
    if algorithm.rewarded and not resolved.recipe.rewards:
        message = f"{algorithm.type} learns from what answers are worth, and there are no `rewards`"
        help_text = "add `rewards`, such as `rewards: {type: number_match, column: answer}`"
        yield Finding(("algorithm",), message, help_text)


@rule("RR366", "rewards-without-effect")
def rewards_without_effect(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The recipe has rewards, and its algorithm learns from answers in the data.

    ## Why it matters

    Nothing would be judged: somebody who reads the recipe would expect that it is.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    rewards: {type: length, max: 100}  # <- RR366
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    algorithm = resolved.recipe.algorithm
    if resolved.recipe.rewards and not algorithm.rewarded:
        message = f"`rewards` have no effect, because {algorithm.type} does not judge answers"
        help_text = "remove them, or take an algorithm that learns from its own answers"
        yield Finding(("rewards",), message, help_text, of_key=True)


@rule("RR367", "local-code-not-allowed")
def local_code(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The recipe asks to run a function in a Python file beside it.

    ## Why it matters

    A recipe may come from anyone. The file runs with your rights, so the recipe can only ask for
    it; the person who starts the run allows it with `--allow-code`, for the file as it is: the
    plan keeps its SHA-256, and a run does not go on with another content.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/questions.jsonl}
    algorithm: grpo
    rewards: {type: python, path: judge.py, function: politeness}  # <- RR367
    output_dir: runs/x
    ```

    ```jsonl data/questions.jsonl
    {"prompt": "2 + 2 =", "answer": "4"}
    ```

    ```python judge.py
    def politeness(prompts, completions, **columns):
        return [float("please" in answer) for answer in completions]
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/questions.jsonl}
    algorithm: grpo
    rewards: {type: regex, pattern: please}
    output_dir: runs/x
    ```
    """
    for number, reward in enumerate(resolved.recipe.rewards):
        # A file that is not there is told as that.
        if reward.code is not None and f"rewards.{number}" in resolved.around.code:
            file, function = reward.code
            message = f"`rewards` ask to run the function `{function}` of `{file}`"
            help_text = "read that file, then allow it with `--allow-code`"
            yield Finding(("rewards", number, "path"), message, help_text)


@rule("RR369", "reward-column-missing")
def reward_column_missing(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    A reward compares answers with a column of the rows, or the algorithm reads one, and the
    rows do not have it.

    ## Why it matters

    The run would load the model, answer the first prompts, and end there.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/questions.jsonl}
    algorithm: grpo
    rewards: {type: exact_match, column: anwser}  # <- RR369
    output_dir: runs/x
    ```

    ```jsonl data/questions.jsonl
    {"prompt": "2 + 2 =", "answer": "4"}
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/questions.jsonl}
    algorithm: grpo
    rewards: {type: exact_match, column: answer}
    output_dir: runs/x
    ```
    """
    algorithm = resolved.recipe.algorithm
    if not algorithm.rewarded and not algorithm.columns:
        return
    for source in (*resolved.train, *resolved.eval):
        known = _columns(source)
        if known is None:
            continue
        for column in algorithm.columns:
            if column not in known:
                message = (
                    f"{algorithm.type} reads the column `{column}`, which the rows of "
                    f"`{source.spec.path}` do not have"
                )
                yield Finding(
                    source.path,
                    message,
                    f"add it, or map another one: `columns: {{{column}: ...}}`",
                )
        for number, reward in enumerate(resolved.recipe.rewards):
            for column in reward.columns:
                if column not in known:
                    message = (
                        f"`{reward.type}` reads the column `{column}`, which the rows of "
                        f"`{source.spec.path}` do not have beside the prompt"
                    )
                    have = ", ".join(f"`{name}`" for name in known) or "none"
                    help_text = f"name one that they have, or map it with `columns`: {have}"
                    yield Finding(("rewards", number, "column"), message, help_text)


def _columns(source: ResolvedSource) -> Collection[str] | None:
    """The columns that rewards get with the prompts of a data set, None where they are not known."""
    row = source.facts.first_row
    if row is None:
        return None
    try:
        return source.format.to_example(rename(row, source.spec.columns)).get("columns", {})
    except RowProblem:
        return None  # what is wrong with the row is told of it
