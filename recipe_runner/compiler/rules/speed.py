"""Rules about levers that the recipe asks for and the run cannot use."""

from collections.abc import Iterator

from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule


@rule("RR338", "lever-not-used", severity="warning")
def lever_not_used(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The recipe turns a lever on that cannot be used here, or that has nothing to do.

    ## Why it matters

    The run goes on without it, and is as fast as without the line.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    speed: {adapter_inputs: on}  # <- RR338
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    speed: {adapter_inputs: on}
    launch: {mixed_precision: bf16}
    output_dir: runs/x
    ```
    """
    yield from _idle(resolved, "on")


@rule("RR339", "required-lever-refused")
def required_lever_refused(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The recipe requires a lever that cannot be used here, or that has nothing to do.

    ## Why it matters

    `require` says that the run is not worth its time without it.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: org/model-id, attn_implementation: eager}
    data: {train: data/chat.jsonl}
    algorithm: sft
    speed: {padding_free: require}  # <- RR339
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    speed: {padding_free: require}
    output_dir: runs/x
    ```
    """
    yield from _idle(resolved, "require")


def _idle(resolved: ResolvedRecipe, wanted: str) -> Iterator[Finding]:
    words = dict(resolved.recipe.speed.words())
    for lever in resolved.levers:
        if words[lever.name] == wanted and lever.state != "applied":
            yield Finding(
                ("speed", lever.name),
                f"`speed.{lever.name}` is {wanted}, and the lever is {lever.state}: {lever.because}",
                f"remove it, or set `speed.{lever.name}: auto`",
            )
