"""Rules about which weights are loaded and which train."""

from collections.abc import Iterator

from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rules.recomputed import offloading
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.components.base import settled


@rule("RR310", "float16-weights-train")
def float16_weights_train(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    All weights train, and they are loaded in float16.

    ## Why it matters

    The updates are too small for float16: mixed precision refuses to start, and without it
    the weights stop moving or become infinite.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: org/model-id, dtype: float16}  # <- RR310
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: org/model-id, dtype: float32}
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    recipe = resolved.recipe
    if recipe.adapter is None and settled(recipe.model.dtype) == "float16":
        message = "`model.dtype` is float16, and without an adapter these weights train"
        help_text = "use `auto` or float32; `launch.mixed_precision` casts the computation"
        yield Finding(("model", "dtype"), message, help_text)


@rule("RR311", "quantized-without-adapter")
def quantized_without_adapter(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The base model is quantized, and no adapter is asked for.

    ## Why it matters

    Weights of a few bits cannot be trained; only an adapter beside them can. Upstream says so
    after the model was loaded.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    quantization: bnb_4bit  # <- RR311
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
    if quantization is not None and quantization.needs_adapter and resolved.recipe.adapter is None:
        message = f"the base is quantized with {quantization.type}, whose weights cannot train, and there is no adapter"
        yield Finding(("quantization",), message, "add `adapter: lora`, or remove `quantization`")


@rule("RR312", "random-weights-frozen")
def random_weights_frozen(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The model starts from random weights, and these weights will not train, because they are
    quantized or because only an adapter trains.

    ## Why it matters

    An adapter on random weights learns next to nothing.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: org/model-id, random_init: true}  # <- RR312
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: org/model-id, random_init: true}
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    recipe = resolved.recipe
    if recipe.model.random_init and (recipe.adapter is not None or recipe.quantization is not None):
        message = "`model.random_init` gives random weights that stay as they are, since only an adapter trains"
        yield Finding(
            ("model", "random_init"),
            message,
            "remove `adapter` and `quantization`, or `random_init`",
        )


@rule("RR313", "freeze-with-adapter")
def freeze_with_adapter(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    `model.freeze`, `model.trainable` or `model.trainable_parameters` is given beside an adapter.

    ## Why it matters

    An adapter already freezes the whole model; the patterns would have no effect, or freeze
    the adapter.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: org/model-id, freeze: [embed_tokens]}  # <- RR313
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: org/model-id, freeze: [embed_tokens]}
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    model = resolved.recipe.model
    for key, given in (
        ("freeze", model.freeze),
        ("trainable", model.trainable is not None),
        ("trainable_parameters", model.trainable_parameters),
    ):
        if given and resolved.recipe.adapter is not None:
            message = f"`model.{key}` has no effect, because an adapter freezes the whole model"
            yield Finding(("model", key), message, "remove it, or the adapter", of_key=True)


@rule("RR315", "model-without-weights")
def model_without_weights(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The model is a folder without a configuration, or without safetensors weights to load.

    ## Why it matters

    Weights in pickle files can run code when they are loaded, so only safetensors are; and a
    folder of the wrong level is a frequent slip.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: shipped:quickstart  # <- RR315
    tokenizer: shipped:quickstart
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: shipped:quickstart, random_init: true}
    tokenizer: shipped:quickstart
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    facts, model = resolved.around.model, resolved.recipe.model
    if facts is None or not facts.local:
        return
    if not facts.config:
        yield Finding(
            ("model",),
            f"`{model.name_or_path}` has no `config.json`",
            "name the folder that holds the model itself",
        )
    elif not facts.has_weights and not model.random_init:
        help_text = (
            "set `random_init: true` to train from scratch, or convert the weights to safetensors"
        )
        yield Finding(("model",), f"`{model.name_or_path}` has no safetensors weights", help_text)


@rule("RR316", "max-length-beyond-context")
def max_length_beyond_context(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    `data.max_length` is more than the model's context length.

    ## Why it matters

    Positions that the model never saw give noise, and with absolute positions an error in the
    middle of the run, at the first row that is long enough.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: shipped:quickstart, random_init: true}
    tokenizer: shipped:quickstart
    data: {train: data/chat.jsonl, max_length: 4096}  # <- RR316
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: shipped:quickstart, random_init: true}
    tokenizer: shipped:quickstart
    data: {train: data/chat.jsonl, max_length: 128}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    model, overrides = resolved.around.model, resolved.recipe.model.config_overrides
    stated = overrides.get("max_position_embeddings")
    context = stated if isinstance(stated, int) else model.context_length if model else None
    length, algorithm = settled(resolved.recipe.data.max_length), resolved.recipe.algorithm
    answer = algorithm.answer_length if algorithm.feed == "prompts" else 0
    if context is not None and length + answer > context:
        said = f"`data.max_length` is {length} tokens"
        if answer:
            said += f" and an answer has up to {answer}"
        message = f"{said}, but the model's context is {context}"
        help_text = f"use at most {max(1, context - answer)}, or set `model.config_overrides` for a longer context"
        yield Finding(("data", "max_length"), message, help_text)


@rule("RR319", "adapter-options-conflict")
def adapter_options_conflict(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    Two options of the adapter cannot stand together, such as indices of layers beside a
    `target_modules` that is one text.

    ## Why it matters

    PEFT says so only after the model was loaded.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    adapter: {type: lora, layers_to_transform: [0, 1]}  # <- RR319
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    adapter: {type: lora, layers_to_transform: [0, 1], target_modules: [q_proj, v_proj]}
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    adapter = resolved.recipe.adapter
    for field, message, help_text in adapter.conflicts() if adapter is not None else ():
        yield Finding(("adapter", field), message, help_text, of_key=True)


@rule("RR381", "router-of-no-experts")
def router_of_no_experts(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The algorithm is to balance the load of experts, and the model has none.

    ## Why it matters

    There is no router whose choices could be balanced. Upstream says so after the model was
    loaded.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: shipped:quickstart, random_init: true}
    tokenizer: shipped:quickstart
    data: {train: data/chat.jsonl}
    algorithm: {type: sft, router_aux_loss_coef: 0.001}  # <- RR381
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: shipped:quickstart, random_init: true}
    tokenizer: shipped:quickstart
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    facts, overrides = resolved.around.model, resolved.recipe.model.config_overrides
    weight = resolved.recipe.algorithm.options().get("router_aux_loss_coef")
    if not weight or facts is None or not facts.config:
        return
    text = facts.config.get("text_config") or {}
    if not any("expert" in key for key in (*facts.config, *text, *overrides)):
        path = ("algorithm", "router_aux_loss_coef")
        message = (
            f"`algorithm.router_aux_loss_coef` is {weight:g}, and "
            f"`{resolved.recipe.model.name_or_path}` has no experts"
        )
        help_text = "remove it; it is for mixture-of-experts models"
        yield Finding(path, message, help_text, of_key=True)


@rule("RR384", "offloading-on-a-cpu")
def offloading_on_a_cpu(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    Activations, or what generation remembers of the tokens so far, are to wait in the memory
    of the CPU, and the run is on the CPU.

    ## Why it matters

    There is no other memory to bring them back to: upstream asks for an accelerator, and fails.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: {type: sft, activation_offloading: true}  # <- RR384
    launch: {use_cpu: true}
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    launch: {use_cpu: true}
    output_dir: runs/x
    ```
    """
    options = resolved.recipe.algorithm.options()
    if not settled(resolved.recipe.launch.use_cpu):
        return
    for name in ("activation_offloading", "cache_implementation"):
        if options.get(name) is True or str(options.get(name)).startswith("offloaded"):
            message = f"`algorithm.{name}` needs a GPU, and the run is on the CPU"
            yield Finding(("algorithm", name), message, "remove it", of_key=True)
    yield from offloading(resolved)
