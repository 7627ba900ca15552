"""Rules about the parts of a model that train, and the learning rates of groups."""

import re
from collections.abc import Iterator

from recipe_runner.compiler.compile_parameters import architecture_of
from recipe_runner.compiler.compile_trainable import parts_of, trains_of
from recipe_runner.compiler.optimizers import optimizer_of
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rules.names import readable
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.plan.trainable import found_by, layers_in

_SHOWN = 8


@rule("RR330", "part-finds-no-parameter")
def part_finds_no_parameter(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    A part in `model.trainable`, or a pattern in `training.parameter_groups`, finds no
    parameter that trains.

    ## Why it matters

    Other weights would train than the recipe says, or at another learning rate.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model:
      name_or_path: shipped:quickstart
      random_init: true
      trainable: {last_layers: 40}  # <- RR330
    tokenizer: shipped:quickstart
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model:
      name_or_path: shipped:quickstart
      random_init: true
      trainable: {last_layers: 1}
    tokenizer: shipped:quickstart
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    model, architecture = resolved.recipe.model, architecture_of(resolved)
    if architecture is None or resolved.recipe.adapter is not None:
        return
    names = tuple(architecture.parameters)
    for field, found in found_by(names, parts_of(model)).items():
        if found:
            continue
        message = f"`model.trainable.{field}` finds none of the {len(names)} parameters"
        help_text = _such_as(names)
        if field == "last_layers":
            help_text = f"the model has {layers_in(names)} layers"
        yield Finding(("model", "trainable", field), message, help_text)
    if not all(map(readable, (*model.trainable_parameters, *model.freeze))):
        return
    left = [name for name in names if name in trains_of(names, model)]
    for number, group in enumerate(resolved.recipe.training.parameter_groups):
        if not readable(group.pattern):
            return
        found = frozenset(name for name in left if re.search(group.pattern, name))
        if not found:
            message = (
                f"`{group.pattern}` finds none of the {len(left)} parameters that train, or only "
                "such as an earlier group has"
            )
            path = ("training", "parameter_groups", number, "pattern")
            yield Finding(path, message, _such_as(left) if left else "train some parameters")
        left = [name for name in left if name not in found]


@rule("RR395", "tied-part-trains-too", "warning")
def tied_part_trains_too(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The embeddings and the output head of the model are one matrix, and the recipe names one
    of the two.

    ## Why it matters

    Both train: what is learnt for the words that go in changes those that come out.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model:
      name_or_path: org/model-id
      config_overrides: {tie_word_embeddings: true}
      trainable: {head: true}  # <- RR395
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model:
      name_or_path: org/model-id
      config_overrides: {tie_word_embeddings: true}
      trainable: {head: true, embeddings: true}
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    model, facts = resolved.recipe.model, resolved.around.model
    parts = model.trainable
    if parts is None or facts is None or parts.head == parts.embeddings:
        return
    if {**facts.config, **model.config_overrides}.get("tie_word_embeddings"):
        one, other = ("head", "embeddings") if parts.head else ("embeddings", "head")
        message = f"`model.trainable.{one}` trains the {other} too: they are one matrix"
        yield Finding(("model", "trainable", one), message, f"say so with `{other}: true`")


@rule("RR396", "no-learning-rate-of-its-own")
def no_learning_rate_of_its_own(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    Some parameters are given a learning rate of their own, and the optimizer has one for all,
    or no parameter of that kind trains.

    ## Why it matters

    The optimizers that update a layer in the middle of the backward pass are made one for
    each layer, outside of groups; LoRA+ speaks of LoRA's matrices.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training: {loraplus_lr_ratio: 16}  # <- RR396
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    training: {loraplus_lr_ratio: 16}
    output_dir: runs/x
    ```
    """
    training, adapter = resolved.recipe.training, resolved.recipe.adapter
    ratio = training.loraplus_lr_ratio
    if ratio is not None and (adapter is None or not adapter.has_second_matrix):
        what = "there is no adapter" if adapter is None else f"the adapter is {adapter.type}"
        message = f"`training.loraplus_lr_ratio` is for LoRA's second matrices, and {what}"
        yield Finding(
            ("training", "loraplus_lr_ratio"), message, "use an adapter of LoRA, or remove it"
        )
    if optimizer_of(training.optim).groups:
        return
    for key, given in (
        ("parameter_groups", training.parameter_groups),
        ("loraplus_lr_ratio", ratio),
    ):
        if given:
            message = (
                f"`training.{key}` has no effect with {training.optim}, which has one learning rate"
            )
            yield Finding(("training", key), message, "use another optimizer", of_key=True)


def _such_as(names: tuple[str, ...] | list[str]) -> str:
    """Names of parameters, one for each kind of module."""
    kinds = {re.sub(r"\d+", "*", name): name for name in reversed(names)}
    return f"the names are such as {', '.join(list(kinds.values())[::-1][:_SHOWN])}"
