"""Rules about what an adapter wants of the run around it."""

from collections.abc import Iterator

from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.components.adapter import Adapter
from recipe_runner.components.base import discover
from recipe_runner.components.quantization import LayerKind


@rule("RR388", "adapter-not-on-quantized")
def adapter_not_on_quantized(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The base is quantized, and the adapter cannot be put on layers of that kind.

    ## Why it matters

    PEFT writes each method anew for each kind of quantized layer. Where it has not, the run
    would end after the model was loaded, with "target module is not supported".

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    quantization: bnb_4bit
    adapter: loha  # <- RR388
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
    adapter, quantization = resolved.recipe.adapter, resolved.recipe.quantization
    if adapter is None or quantization is None or quantization.layer_kind in adapter.layers:
        return
    message = f"{adapter.type} cannot be put on the layers of {quantization.type}"
    others = ", ".join(_on(quantization.layer_kind))
    yield Finding(("adapter",), message, f"take one that can: {others}; or remove `quantization`")


def _on(kind: LayerKind) -> list[str]:
    """The methods that change layers and can be put on those of `kind`."""
    found = []
    for name, component in discover("recipe_runner.components.adapters").items():
        assert issubclass(component, Adapter)
        if kind in component.layers and component.targets == "modules" and component.upstream:
            found.append(name)
    return found


@rule("RR389", "adapter-wants-steps")
def adapter_wants_steps(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The adapter follows a schedule over the whole run, and the number of optimizer steps is
    not known before it.

    ## Why it matters

    AdaLoRA decides from the number of steps when it drops ranks. Upstream demands it when
    the adapter is made.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    adapter: adalora  # <- RR389
    data: {train: {path: org/rows, format: messages}}
    algorithm: sft
    training: {save_only_model: true}
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    adapter: adalora
    data: {train: {path: org/rows, format: messages}}
    algorithm: sft
    training: {max_steps: 1000, save_only_model: true}
    output_dir: runs/x
    ```
    """
    adapter = resolved.recipe.adapter
    if adapter is not None and adapter.needs_steps and resolved.total_steps is None:
        message = f"{adapter.type} has to know the number of optimizer steps, which these data do not tell"
        yield Finding(("adapter",), message, "give `training.max_steps`")


@rule("RR336", "adapter-cannot-be-resumed")
def adapter_cannot_be_resumed(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The run saves checkpoints to go on from, or to take the best of, and the adapter cannot
    be loaded from them again.

    ## Why it matters

    AdaLoRA saves the ranks that it has kept, and not how much each of them mattered: a run
    that went on would drop others, or fail while it loads weights of another size.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    adapter: adalora  # <- RR336
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    adapter: adalora
    data: {train: data/chat.jsonl}
    algorithm: sft
    training: {save_only_model: true}
    output_dir: runs/x
    ```
    """
    adapter, training = resolved.recipe.adapter, resolved.recipe.training
    if adapter is None or adapter.resumes:
        return
    if training.save_strategy != "no" and not training.save_only_model:
        message = f"{adapter.type} cannot go on from a checkpoint"
        yield Finding(("adapter",), message, "set `training.save_only_model: true`")
    if training.load_best_model_at_end is True:
        message = f"{adapter.type} cannot take the weights of an earlier step"
        yield Finding(("adapter",), message, "set `training.load_best_model_at_end: false`")


@rule("RR390", "adapter-cannot-begin")
def adapter_cannot_begin(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The adapter begins from what rows of the training data do to the base, or takes something
    out of the base's weights, and this run cannot do that.

    ## Why it matters

    EVA, CorDA and LoRA-GA pass rows through the base before the first step, so the rows have
    to be sequences that can be read twice. PiSSA, OLoRA, CorDA and LoRA-GA change the base,
    so its weights have to be whole, and not a few bits each.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    quantization: bnb_4bit
    adapter: {type: lora, init_lora_weights: pissa}  # <- RR390
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    adapter: {type: lora, init_lora_weights: pissa}
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    recipe = resolved.recipe
    adapter = recipe.adapter
    if adapter is None or not (adapter.rows_to_read or adapter.changes_base):
        return
    path = ("adapter", "init_lora_weights")
    if adapter.changes_base and recipe.quantization is not None:
        message = f"this start changes the base, which is quantized with {recipe.quantization.type}"
        yield Finding(path, message, "remove `quantization`, or start as usual: `true`")
    if resolved.sharding.shards_weights:
        message = f"this start needs whole weights, and {resolved.sharding.type} splits them among processes"
        yield Finding(path, message, "set `launch.strategy: ddp`, or start as usual: `true`")
    if not adapter.rows_to_read:
        return
    if recipe.algorithm.feed != "sequences":
        message = (
            f"this start reads sequences, and {recipe.algorithm.type} has rows of another form"
        )
        yield Finding(path, message, "start as usual, `true`, or from the base: `pissa`")
    if recipe.data.streaming:
        message = "this start reads rows before the training does, and a stream passes once"
        yield Finding(path, message, "set `data.streaming: false`, or start as usual: `true`")


@rule("RR391", "adapter-fitted-to-another-base")
def adapter_fitted_to_another_base(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The adapter is fitted to what quantizing the base has lost, and the base is not quantized
    in that way, or this machine has no GPU to do it on.

    ## Why it matters

    LoftQ compares the weights in the checkpoint with the quantized ones. Upstream does it on
    a GPU, and fails without one after the model was loaded.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    adapter: {type: lora, init_lora_weights: loftq}  # <- RR391
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    recipe = resolved.recipe
    kind = recipe.adapter.fitted_to if recipe.adapter is not None else None
    if kind is None:
        return
    path = ("adapter", "init_lora_weights")
    if recipe.quantization is None or recipe.quantization.layer_kind != kind:
        message = (
            "this start is fitted to a base in 4 bits through bitsandbytes, which this one is not"
        )
        yield Finding(path, message, "add `quantization: bnb_4bit`, or start as usual: `true`")
    elif not resolved.machine.accelerators:
        message = "this start is computed on a GPU, and the machine has none"
        yield Finding(path, message, "run where a GPU is, or start as usual: `true`")
