"""Rules about which parameters train, where the model's configuration tells them."""

import re
from collections.abc import Iterable, Iterator

from recipe_runner.compiler.compile_parameters import architecture_of
from recipe_runner.compiler.compile_trainable import trains_of
from recipe_runner.compiler.estimate.targets import reach
from recipe_runner.compiler.resolved import Path, ResolvedRecipe
from recipe_runner.compiler.rules.names import readable
from recipe_runner.compiler.rules.rule import Finding, rule

_SHOWN = 12


@rule("RR473", "pattern-finds-no-parameter")
def pattern_finds_no_parameter(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    A pattern in `model.freeze` or `model.trainable_parameters` finds no parameter of the
    model, or together they leave none to train.

    ## Why it matters

    Other weights would train than the recipe says.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: shipped:quickstart, random_init: true, freeze: [embeddings]}  # <- RR473
    tokenizer: shipped:quickstart
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: shipped:quickstart, random_init: true, freeze: [embed_tokens]}
    tokenizer: shipped:quickstart
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    model, architecture = resolved.recipe.model, architecture_of(resolved)
    if architecture is None or not (model.freeze or model.trainable_parameters):
        return
    names = architecture.parameters
    idle = False
    for field, patterns in (
        ("freeze", model.freeze),
        ("trainable_parameters", model.trainable_parameters),
    ):
        for number, pattern in enumerate(patterns):
            if not readable(pattern):
                return
            if not any(re.search(pattern, name) for name in names):
                idle = True
                message = f"`model.{field}` has {pattern}, which finds none of the {len(names)} parameters"
                yield Finding(("model", field, number), message, _found_in(names))
    if idle or trains_of(names, model):
        return
    message = f"`model.freeze` and what trains leave none of {len(names)} parameters to train"
    field = "freeze" if model.freeze else "trainable_parameters"
    yield Finding(("model", field), message, "freeze fewer parameters")


def _found_in(names: Iterable[str]) -> str:
    """Names of parameters, one for each kind of module."""
    kinds = {re.sub(r"\d+", "*", name): name for name in reversed(list(names))}
    shown = list(kinds.values())[::-1]
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return f"the names are such as {', '.join(shown[:_SHOWN])}{more}"


@rule("RR474", "rank-above-layer", "warning")
def rank_above_layer(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The rank of the adapter is higher than the smaller side of a layer that it is on.

    ## Why it matters

    The update of a layer cannot have a higher rank than the layer: what is above it costs
    memory and time, and full fine-tuning of that layer would be cheaper. Starts that take
    directions out of the weights (`pissa`, `olora`) fail there.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: models/tiny
    tokenizer: shipped:quickstart
    adapter: {type: lora, r: 64}  # <- RR474
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: models/tiny
    tokenizer: shipped:quickstart
    adapter: {type: lora, r: 16}
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    adapter, architecture = resolved.recipe.adapter, architecture_of(resolved)
    if adapter is None or adapter.rank_field is None or architecture is None:
        return
    if not all(readable(pattern) for _, pattern in adapter.patterns()):
        return
    found = reach(adapter, architecture)
    options = adapter.options()
    other: dict[str, int] = options.get("rank_pattern") or {}
    told: set[Path] = set()
    for module in found.modules if found is not None else ():
        smaller = min(module.outputs, module.inputs)
        pattern = next((p for p in other if re.match(rf"(.*\.)?({p})$", module.name)), None)
        rank = options[adapter.rank_field] if pattern is None else other[pattern]
        path: Path = ("adapter", adapter.rank_field)
        if pattern is not None:
            path = ("adapter", "rank_pattern", pattern)
        if rank > smaller and path not in told:
            told.add(path)
            message = (
                f"the rank is {rank}, and {module.name} has {module.inputs:,} inputs and "
                f"{module.outputs:,} outputs"
            )
            yield Finding(path, message, f"use at most {smaller}, or leave that layer out")
