"""Rules about a run around a base model in fewer bits."""

from collections.abc import Iterator

from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.components.adapter import JUDGING_HEADS
from recipe_runner.components.base import settled

_PATH = ("quantization",)
_NO_LINEAR = ("embed", "norm", "wte", "wpe")
"""Parts of names of modules that are no linear layers, which quantizers leave as they are."""
_HEADS = ("lm_head", *JUDGING_HEADS)
"""Heads, which they leave as they are where no list says what they leave."""


@rule("RR333", "quantized-with-fp16")
def quantized_with_fp16(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The base is quantized, and the run computes in float16 with a scaled loss.

    ## Why it matters

    TRL keeps the adapter on a quantized base in bfloat16, and the scaler of fp16 takes no gradients
    of that type: the first step would fail.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    quantization: bnb_8bit
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    launch: {mixed_precision: fp16}  # <- RR333
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    quantization: bnb_8bit
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    launch: {mixed_precision: no}
    output_dir: runs/x
    ```
    """
    recipe = resolved.recipe
    if recipe.quantization is not None and settled(recipe.launch.mixed_precision) == "fp16":
        message = (
            "`launch.mixed_precision` is fp16, and adapters on a quantized base are in bfloat16"
        )
        yield Finding(("launch", "mixed_precision"), message, "set it to `bf16`, or to `no`")


@rule("RR334", "saved-module-is-quantized")
def saved_module_is_quantized(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    `adapter.modules_to_save` names a module whose weights are quantized.

    ## Why it matters

    Such a module trains in full, and weights of a few bits cannot: the run would end when the
    adapter is put on.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    quantization: bnb_4bit
    adapter: {type: lora, modules_to_save: [down_proj]}  # <- RR334
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    quantization: {type: bnb_4bit, llm_int8_skip_modules: [lm_head, down_proj]}
    adapter: {type: lora, modules_to_save: [down_proj]}
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    recipe = resolved.recipe
    if recipe.adapter is None or recipe.quantization is None:
        return
    skips = recipe.quantization.skips
    whole = (*_NO_LINEAR, *(_HEADS if skips is None else skips))
    for name in recipe.adapter.options().get("modules_to_save") or ():
        if not any(part in name for part in whole):
            message = f"`adapter.modules_to_save` names {name}, which {recipe.quantization.type} quantizes"
            help_text = "leave it out, or have the quantization skip it"
            yield Finding(("adapter", "modules_to_save"), message, help_text)


@rule("RR335", "compute-type-not-on-gpu", "warning")
def compute_type_not_on_gpu(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The quantized layers compute in bfloat16, which the GPU does not have.

    ## Why it matters

    It is emulated, several times slower than float32 would be.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    quantization: {type: bnb_4bit, bnb_4bit_compute_dtype: bfloat16}  # <- RR335
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    launch: {mixed_precision: no}
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    quantization: bnb_4bit
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    launch: {mixed_precision: no}
    output_dir: runs/x
    ```
    """
    quantization, machine = resolved.recipe.quantization, resolved.machine
    if quantization is None or not machine.accelerators or machine.bf16:
        return
    for field in quantization.compute_dtype_fields:
        if getattr(quantization, field) == "bfloat16":
            message = f"`quantization.{field}` is bfloat16, which {machine.kind} does not have"
            yield Finding((*_PATH, field), message, "use `auto`, or float32")
