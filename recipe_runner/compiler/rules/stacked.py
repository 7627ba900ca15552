"""Rules about adapters that were trained before, and what is put on them."""

import pathlib
from collections.abc import Iterator

from recipe_runner.compiler.resolve_continued import kind_of, method_of
from recipe_runner.compiler.resolved import Path, ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.survey.adapter import AdapterFacts
from recipe_runner.survey.model import ModelFacts
from recipe_runner.survey.survey import BASE, CONTINUED

_PATHS: dict[str, Path] = {BASE: ("model", "adapter"), CONTINUED: ("adapter", "path")}


@rule("RR393", "adapter-of-another-base")
def adapter_of_another_base(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    A trained adapter is put on another model than it was trained on: its
    `adapter_config.json` names a base, and the run that made it may have had another adapter
    as part of the base.

    ## Why it matters

    An adapter is a difference to the weights of one model. On another of the same size it
    loads without a word, and spoils it.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/another-model
    adapter: {type: continued, path: runs/a}  # <- RR393
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ```json runs/a/model/adapter_config.json
    {"peft_type": "LORA", "base_model_name_or_path": "org/model-id", "r": 16, "lora_alpha": 32}
    ```

    ```text runs/a/model/adapter_model.safetensors
    ```

    ## Instead

    Name the base of the adapter. Where it is the same model under another name, such as a
    folder that was moved, correct `base_model_name_or_path` in the adapter's folder.

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    adapter: {type: continued, path: runs/a}
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    model = resolved.around.model
    below = resolved.around.adapters.get(BASE)
    for role, facts in resolved.around.adapters.items():
        if model is not None and facts.base is not None and not _same(facts.base, model):
            message = f"the adapter was trained on {facts.base}, and `model` is {model.path}"
            yield Finding(
                _PATHS[role],
                message,
                f"set `model: {facts.base}`; where both are the same model, correct "
                f"base_model_name_or_path in {facts.path}/adapter_config.json",
            )
            continue
        has = below.path if below is not None and role == CONTINUED else None
        if facts.merged != has:
            yield Finding(_PATHS[role], *_other_part(facts, has))


def _same(base: str, model: ModelFacts) -> bool:
    """True where the base of an adapter is the model: a folder under whichever name."""
    if not model.local:
        return base == model.path
    folder = pathlib.Path(base)
    return folder.is_absolute() and folder.resolve() == pathlib.Path(model.path).resolve()


def _other_part(facts: AdapterFacts, has: str | None) -> tuple[str, str]:
    """The base is the same, but for an adapter that is a part of it."""
    if facts.merged is None:
        message = f"the adapter was trained on its base alone, and here {has} is a part of that"
        return message, "remove `model.adapter`"
    message = f"the adapter was trained on a base with {facts.merged} merged into it"
    if has is not None:
        return message, f"set `model.adapter: {facts.merged}`"
    return (
        f"{message}, and here it is not",
        f"set `model.adapter: {facts.merged}`; to put a third adapter on both, write the "
        "two into a model first, with `recipe-run merge`",
    )


@rule("RR394", "adapter-cannot-go-on")
def adapter_cannot_go_on(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    A trained adapter is to be trained further, merged into the base or kept beneath another
    one, and its method or this run does not allow that.

    ## Why it matters

    PEFT trains no saved prompt further: most are what an encoder wrote that is gone. AdaLoRA's
    schedule has ended with its run. Merging into a quantized base would round every weight
    again, and what was learnt is smaller than the rounding. And an algorithm that turns the
    adapter off to compare with the model at the beginning turns off the one beneath as well.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: org/model-id, adapter: runs/a}  # <- RR394
    quantization: bnb_4bit
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ```json runs/a/model/adapter_config.json
    {"peft_type": "LORA", "base_model_name_or_path": "org/model-id", "r": 16, "lora_alpha": 32}
    ```

    ```text runs/a/model/adapter_model.safetensors
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: org/model-id, adapter: {path: runs/a, merge: false}}
    quantization: bnb_4bit
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    adapters = resolved.around.adapters
    if CONTINUED in adapters:
        yield from _continued(resolved, adapters[CONTINUED])
    wanted = resolved.recipe.model.adapter
    if wanted is not None and BASE in adapters:
        part = _merged if wanted.merge else _beneath
        yield from part(resolved, adapters[BASE])


def _continued(resolved: ResolvedRecipe, facts: AdapterFacts) -> Iterator[Finding]:
    found, path, algorithm = method_of(facts), _PATHS[CONTINUED], resolved.recipe.algorithm
    new = "train a new adapter, on a base with this one merged into it: `model.adapter`"
    if isinstance(found, str):
        kind = kind_of(facts)
        merges = kind is not None and kind.merges
        message = f"this adapter cannot be trained further: {found}"
        yield Finding(path, message, new if merges else "train a new one for longer")
    elif algorithm.needs_reference and algorithm.reads_base:
        message = (
            f"{algorithm.type} takes the base alone for the model as it was at the beginning, "
            "which has this adapter"
        )
        yield Finding(path, message, new)


def _merged(resolved: ResolvedRecipe, facts: AdapterFacts) -> Iterator[Finding]:
    path, quantization = _PATHS[BASE], resolved.recipe.quantization
    why = _unmergeable(facts)
    if why is not None:
        yield Finding(path, f"this adapter cannot be merged: {why}", "train it further instead")
    if quantization is not None:
        message = f"the base is quantized with {quantization.type}, and merging would round what was learnt"
        yield Finding(
            path,
            message,
            "keep it beneath the new adapter with `merge: false`, remove `quantization`, or "
            "quantize the model that `recipe-run merge` writes",
        )
    if resolved.sharding.shards_weights:
        message = (
            f"merging needs whole weights, and {resolved.sharding.type} splits them among processes"
        )
        yield Finding(path, message, "name the model that `recipe-run merge` writes as `model`")


def _unmergeable(facts: AdapterFacts) -> str | None:
    kind, found = kind_of(facts), method_of(facts)
    if kind is not None and not kind.merges:
        return f"what {kind.type_name()} trains is no change of the base's weights"
    return None if isinstance(found, str) else found.unmergeable()


def _beneath(resolved: ResolvedRecipe, facts: AdapterFacts) -> Iterator[Finding]:
    recipe, path = resolved.recipe, _PATHS[BASE]
    merge = "merge it into the base: `merge: true`"
    if recipe.adapter is None or CONTINUED in resolved.around.adapters:
        message = "an adapter can only be kept beneath a new one, and `adapter` is not one"
        yield Finding(path, message, merge)
        return
    found = method_of(facts)
    for each in (found, recipe.adapter):
        why = each if isinstance(each, str) else each.unstackable()
        if why is not None:
            message = f"an adapter cannot be kept beneath another one here: {why}"
            yield Finding(path, message, merge)
            return
    if recipe.algorithm.needs_reference:
        message = (
            f"{recipe.algorithm.type} turns adapters off to compare with the beginning, the one "
            "beneath as well"
        )
        yield Finding(path, message, merge)
    if resolved.sharding.shards_weights:
        message = f"{resolved.sharding.type} splits the weights among processes, and two adapters on them are not tried"
        yield Finding(path, message, "set `launch.strategy: ddp`")
