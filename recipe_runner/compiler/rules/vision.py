"""Rules about models that see, and about conversations with images."""

from collections.abc import Iterator
from itertools import islice

from recipe_runner.compiler.resolved import ResolvedRecipe, ResolvedSource
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.components.base import settled
from recipe_runner.components.images import has_images
from recipe_runner.rows import RowProblem, rename

_LOOKED_AT = 100
"""Rows of a data set that are looked at for images."""


@rule("RR352", "not-with-images")
def not_with_images(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The recipe trains a model that sees, and asks for something that rows with images cannot
    do: `overlong: split`, `truncation_mode: keep_end`, or `score`.
    Packing is told by RR344, streaming by RR348.

    ## Why it matters

    A row whose image is cut off or in another row has features without places for them, and
    the model stops in the middle of the run.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: org/model-that-sees, task: image_text_to_text}
    data: {train: data/chat.jsonl, overlong: split}  # <- RR352
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: org/model-that-sees, task: image_text_to_text}
    data: {train: data/chat.jsonl, overlong: drop}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    recipe = resolved.recipe
    if settled(recipe.model.task) != "image_text_to_text":
        return
    data, task = recipe.data, "`model.task: image_text_to_text`"
    if data.overlong == "split":
        message = f"`data.overlong: split` is not for {task}: an image belongs to its whole row"
        yield Finding(("data", "overlong"), message, "choose truncate, drop or error")
    if data.truncation_mode == "keep_end":
        message = f"`data.truncation_mode: keep_end` is not for {task}: it cuts images off"
        help_text = "leave it out: rows with images are cut behind their last image"
        yield Finding(("data", "truncation_mode"), message, help_text)
    if recipe.score is not None:
        message = f"`score` is not for {task}: it answers texts"
        yield Finding(("score",), message, "remove it", of_key=True)


@rule("RR353", "task-does-not-fit")
def task_does_not_fit(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    `model.task` does not fit the model, the data or the algorithm: rows hold images and the
    model is loaded to read text, or the model is loaded to see and its configuration has no
    vision part.

    ## Why it matters

    A model that reads text would be trained on conversations about pictures that it never
    gets; and a model without a vision part cannot be loaded as one that sees.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-that-sees
    data: {train: data/pets.jsonl}  # <- RR353
    algorithm: sft
    output_dir: runs/x
    ```

    ```jsonl data/pets.jsonl
    {"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "A cat."}], "images": ["1.png"]}
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: org/model-that-sees, task: image_text_to_text}
    data: {train: data/pets.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ```jsonl data/pets.jsonl
    {"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "A cat."}], "images": ["1.png"]}
    ```
    """
    recipe, facts = resolved.recipe, resolved.around.model
    task = settled(recipe.model.task)
    if task not in recipe.algorithm.tasks:
        known = ", ".join(recipe.algorithm.tasks)
        message = f"`model.task` is {task}, which {recipe.algorithm.type} does not train"
        yield Finding(("model", "task"), message, f"choices here: {known}")
    elif task == "image_text_to_text" and facts is not None and facts.sees is False:
        message = f"`model.task` is {task}, but `{recipe.model.name_or_path}` has no vision part"
        yield Finding(("model", "task"), message, "remove it, or name a model that sees")
    if task != "image_text_to_text":
        for source in (*resolved.train, *resolved.eval):
            number = _first_image(source)
            if number is not None:
                message = (
                    f"row {number} of `{source.spec.path}` holds an image, and `model.task` is "
                    f"{task}, which reads text only"
                )
                help_text = "set `model.task: image_text_to_text`, with a model that sees"
                yield Finding(source.path, message, help_text)


def _first_image(source: ResolvedSource) -> int | None:
    for where, row in islice(source.facts.sample, _LOOKED_AT):
        if isinstance(row, RowProblem):
            continue
        try:
            example = source.format.to_example(rename(row, source.spec.columns))
        except RowProblem:
            continue  # told with the other rows that do not fit
        if has_images(example):
            return where.number
    return None
