"""Rules about a base model in fewer bits."""

from collections.abc import Iterator, Mapping
from typing import Any

from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule

_PATH = ("quantization",)


def made_as(resolved: ResolvedRecipe) -> Mapping[str, Any] | None:
    """What the checkpoint says of its own quantization; None where it says nothing."""
    facts = resolved.around.model
    found = facts.config.get("quantization_config") if facts is not None else None
    return found if isinstance(found, Mapping) else None


@rule("RR355", "quantized-otherwise")
def quantized_otherwise(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The weights in the checkpoint are quantized already, with another method than the recipe
    asks for.

    ## Why it matters

    Weights of a few bits cannot be quantized again: upstream takes those of the checkpoint, and
    the recipe would say something that does not run.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: quantized
    tokenizer: shipped:quickstart
    quantization: bnb_8bit  # <- RR355
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ```json quantized/config.json
    {"model_type": "llama", "quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true}}
    ```

    ```text quantized/model.safetensors
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: quantized
    tokenizer: shipped:quickstart
    quantization: bnb_4bit
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ```json quantized/config.json
    {"model_type": "llama", "quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true}}
    ```

    ```text quantized/model.safetensors
    ```
    """
    quantization, made = resolved.recipe.quantization, made_as(resolved)
    if made is None or (quantization is not None and quantization.made(made)):
        return
    method = made.get("quant_method")
    if quantization is None:
        message = f"the checkpoint is quantized with {method}, which no quantization here reads"
        yield Finding(
            ("model",), message, "take a checkpoint that is whole, or quantized otherwise"
        )
        return
    message = (
        f"the checkpoint is quantized with {method}, and `quantization` is {quantization.type}"
    )
    yield Finding(_PATH, message, "remove `quantization`, or take a checkpoint that is whole")


@rule("RR356", "checkpoint-not-quantized")
def checkpoint_not_quantized(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The method quantizes with sample data when a checkpoint is made, and this checkpoint is whole.

    ## Why it matters

    Upstream would start to quantize with settings that nobody chose, or fail after the model was
    loaded.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: whole
    tokenizer: shipped:quickstart
    quantization: gptq  # <- RR356
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ```json whole/config.json
    {"model_type": "llama"}
    ```

    ```text whole/model.safetensors
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: whole
    tokenizer: shipped:quickstart
    quantization: bnb_4bit
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ```json whole/config.json
    {"model_type": "llama"}
    ```

    ```text whole/model.safetensors
    ```
    """
    quantization, facts = resolved.recipe.quantization, resolved.around.model
    if quantization is None or not quantization.prequantized_only or facts is None:
        return
    if facts.config and made_as(resolved) is None:
        message = (
            f"{quantization.type} is made with sample data beforehand, and this checkpoint is whole"
        )
        yield Finding(_PATH, message, "name a checkpoint that is quantized so, or use `bnb_4bit`")


@rule("RR357", "quantization-wants-gpu")
def quantization_wants_gpu(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The quantization runs on a GPU only, and the plan is for a machine without one.

    ## Why it matters

    The run would download the model first, and end when it is loaded.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    quantization: eetq  # <- RR357
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
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
    output_dir: runs/x
    ```
    """
    quantization = resolved.recipe.quantization
    if quantization is None or not quantization.on_gpu_only or resolved.machine.accelerators:
        return
    message = f"{quantization.type} with these options runs on a GPU, and the machine has none"
    help_text = "plan for a machine with one (`--machine`), or use `bnb_4bit`, which runs anywhere"
    yield Finding(_PATH, message, help_text)


@rule("RR358", "no-gradient-through-quantized")
def no_gradient_through_quantized(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    An adapter is asked for on layers through which no gradient flows.

    ## Why it matters

    These kernels are for inference. The first step would fail with "does not require grad", or
    only the last layers would train.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    quantization: {type: torchao, quant_type: int8_dynamic_activation_int8_weight}  # <- RR358
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    quantization: {type: torchao, quant_type: int8_weight_only}
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    quantization = resolved.recipe.quantization
    if quantization is None or quantization.gradients_flow:
        return
    message = (
        f"{quantization.type} with these options is for inference: no gradient flows through it"
    )
    options = type(quantization).model_fields
    turned = "set `dequantize: true`, or " if "dequantize" in options else ""
    yield Finding(_PATH, message, f"{turned}use one that trains, such as `bnb_4bit`")


@rule("RR359", "quantization-options-conflict")
def quantization_options_conflict(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    Two options of the quantization cannot stand together.

    ## Why it matters

    One of them would have no effect, or upstream refuses both after a download.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    quantization: {type: torchao, group_size: 64}  # <- RR359
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    quantization: torchao
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    quantization = resolved.recipe.quantization
    for field, message, help_text in quantization.conflicts() if quantization is not None else ():
        yield Finding((*_PATH, field), message, help_text, of_key=True)
