"""Rules about what an algorithm compares: the rows of a batch, verdicts, answers."""

from collections.abc import Iterator

from recipe_runner.compiler.resolved import Path, ResolvedRecipe, ResolvedSource
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.components.base import settled
from recipe_runner.rows import RowProblem, rename

_ENOUGH_ROWS = 8
"""Rows of a data set that have to agree before anything is said of all its rows."""


@rule("RR363", "micro-batch-too-small")
def micro_batch_too_small(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    A process gets fewer rows at once than the algorithm compares with each other.

    ## Why it matters

    `kto` estimates from the other rows of a batch how far answers move in general. With a
    single row it would compare the answer with itself, and upstream refuses to start.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/judged.jsonl}
    algorithm: kto
    training:
      per_device_train_batch_size: 1  # <- RR363
    output_dir: runs/x
    ```

    ```jsonl data/judged.jsonl
    {"prompt": "2 + 2 =", "completion": " 4", "label": true}
    {"prompt": "2 + 2 =", "completion": " 5", "label": false}
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/judged.jsonl}
    algorithm: kto
    training:
      per_device_train_batch_size: 2
    output_dir: runs/x
    ```
    """
    algorithm, training = resolved.recipe.algorithm, resolved.recipe.training
    least, processes = algorithm.smallest_micro_batch, settled(resolved.recipe.launch.num_processes)
    for what, size, used in (
        ("train", settled(training.per_device_train_batch_size), True),
        ("eval", settled(training.per_device_eval_batch_size), resolved.has_eval),
    ):
        key = f"per_device_{what}_batch_size"
        derived = resolved.reasons.get(f"training.{key}")
        if not used or size >= least or (what == "eval" and derived):
            continue
        why = f" ({derived.because})" if derived else ""
        message = (
            f"`training.{key}` is {size}{why}, and {algorithm.type} compares at least {least} rows "
            "with each other"
        )
        help_text = f"use {least} or more"
        path: Path = ("training", key)
        if derived:
            help_text = f"make `training.global_batch_size` a multiple of {least * processes}"
            stated = "training.global_batch_size" not in resolved.reasons
            path = ("training", "global_batch_size") if stated else ("algorithm",)
        yield Finding(path, message, help_text)


@rule("RR372", "labels-of-one-kind")
def labels_of_one_kind(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    Answers are judged good or bad, and all answers to train on have the same verdict.

    ## Why it matters

    The model would learn to make every answer likelier, or every answer less likely, and not
    what makes one good. The usual cause is the wrong column, or a file that holds one half of
    the data. Of large files the first thousand rows and the last one are looked at.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/judged.jsonl}  # <- RR372
    algorithm: kto
    output_dir: runs/x
    ```

    ```jsonl data/judged.jsonl
    {"prompt": "2 + 2 =", "completion": " 4", "label": true}
    {"prompt": "3 + 3 =", "completion": " 6", "label": true}
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/judged.jsonl}
    algorithm: kto
    output_dir: runs/x
    ```

    ```jsonl data/judged.jsonl
    {"prompt": "2 + 2 =", "completion": " 4", "label": true}
    {"prompt": "3 + 3 =", "completion": " 5", "label": false}
    ```
    """
    shapes = resolved.recipe.algorithm.example_shapes
    seen = [
        _labels(source) if source.format.example_shape in shapes else []
        for source in resolved.train
    ]
    if len(set().union(*map(set, seen))) != 1 or not all(
        _tells(source, len(labels)) for source, labels in zip(resolved.train, seen, strict=True)
    ):
        return
    for source, labels in zip(resolved.train, seen, strict=True):
        whole = len(labels) == source.facts.rows
        looked_at = f"all {len(labels)} rows" if whole else f"the {len(labels)} rows looked at"
        message = (
            f"`{source.spec.path}` has one verdict: {looked_at} are "
            f"{'good' if labels[0] else 'bad'} answers"
        )
        help_text = "add answers of the other kind, or name the column of the verdict"
        yield Finding(source.path, message, help_text)


def _labels(source: ResolvedSource) -> list[bool]:
    """The verdicts of the rows that were surveyed and fit; `limit` takes the first rows."""
    labels = []
    for _, row in source.facts.sample[: source.spec.limit]:
        if isinstance(row, RowProblem):
            continue
        try:
            example = source.format.to_example(rename(row, source.spec.columns))
        except RowProblem:
            continue  # told with the other rows that do not fit
        if "label" in example:
            labels.append(example["label"])
    return labels


def _tells(source: ResolvedSource, looked_at: int) -> bool:
    """True where so many rows say enough of all: the ends of a file that was counted."""
    rows = source.facts.rows
    if rows is None or looked_at == 0:
        return False
    wanted = rows if source.spec.limit is None else min(rows, source.spec.limit)
    return looked_at >= min(_ENOUGH_ROWS, wanted)


@rule("RR375", "reference-answer-missing")
def reference_answer_missing(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The algorithm learns from three answers to each prompt, and the rows have two.

    ## Why it matters

    The third, the reference, is what the model is taught to say; the other two are only
    compared. Without it no row could be used.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/pairs.jsonl}  # <- RR375
    algorithm: tpo
    output_dir: runs/x
    ```

    ```jsonl data/pairs.jsonl
    {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/triples.jsonl}
    algorithm: tpo
    output_dir: runs/x
    ```

    ```jsonl data/triples.jsonl
    {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5", "reference": " 2 + 2 = 4"}
    ```
    """
    if resolved.recipe.algorithm.feed != "triples":
        return
    for source in (*resolved.train, *resolved.eval):
        for where, row in source.facts.sample:
            try:
                if isinstance(row, RowProblem):
                    continue
                example = source.format.to_example(rename(row, source.spec.columns))
            except RowProblem:
                continue
            if "reference" not in example:
                message = (
                    f"row {where.number} of `{source.spec.path}` has a chosen and a rejected "
                    "answer, and no reference"
                )
                help_text = "add a column `reference`, or name another one in the format's `reference_column`"
                yield Finding(source.path, message, help_text)
                break
