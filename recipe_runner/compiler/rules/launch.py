"""Rules about processes, machines and what they compute in."""

from collections.abc import Iterator

from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.components.base import settled


@rule("RR321", "strategy-does-not-fit")
def strategy_does_not_fit(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The launch strategy is for one process and several are asked for, or it needs a GPU and
    the machine has none.

    ## Why it matters

    Processes that do not know of each other would each train the whole run and write over
    each other's files.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    launch: {strategy: single, num_processes: 2}  # <- RR321
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    launch: {strategy: ddp, num_processes: 2}
    output_dir: runs/x
    ```
    """
    launch, sharding = resolved.recipe.launch, resolved.sharding
    count, cpu = settled(launch.num_processes), settled(launch.use_cpu)
    path = ("launch", "strategy")
    if count > 1 and not sharding.many:
        message = (
            f"`launch.strategy` is {sharding.type}, which is one process, but there are {count}"
        )
        yield Finding(path, message, "leave `strategy` at auto, or set `num_processes: 1`")
    if sharding.needs_accelerator and cpu:
        yield Finding(
            path,
            f"`launch.strategy` is {sharding.type}, which needs GPUs, and the run is on the CPU",
            "use `ddp`",
        )
    if count % launch.num_machines:
        message = f"`launch.num_processes` is {count}, which is not a multiple of {launch.num_machines} machines"
        yield Finding(
            ("launch", "num_processes"), message, "it counts the processes of all machines"
        )
    if launch.num_machines > 1 and launch.main_process_ip is None:
        message = f"`launch.num_machines` is {launch.num_machines}, but the machines do not know where to meet"
        yield Finding(
            ("launch", "num_machines"),
            message,
            "set `launch.main_process_ip` to the address of the first machine",
        )


@rule("RR322", "more-processes-than-devices")
def more_processes_than_devices(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    More processes per machine are asked for than the machine has GPUs.

    ## Why it matters

    Two processes on one GPU halve its memory and deadlock NCCL.

    ## Example

    On a machine without a GPU:

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    launch: {num_processes: 2, use_cpu: false}  # <- RR322
    output_dir: runs/x
    ```

    ## Instead

    Leave both at `auto`: the global batch stays the same on any number of GPUs.

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    launch, machine = resolved.recipe.launch, resolved.machine
    each = settled(launch.num_processes) // launch.num_machines
    if not settled(launch.use_cpu) and each > machine.accelerators:
        have = f"{machine.accelerators} GPU{'s' if machine.accelerators != 1 else ''}"
        message = (
            f"`launch.num_processes` is {settled(launch.num_processes)}, "
            f"but the machine ({machine.source}) has {have}"
        )
        yield Finding(
            ("launch", "num_processes"),
            message,
            "leave it at auto: the global batch stays the same on any number of GPUs",
        )


@rule("RR323", "precision-not-on-machine")
def precision_not_on_machine(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The run is to compute in a type that the machine does not have: float16 on a CPU, or
    bfloat16 on a GPU older than Ampere.

    ## Why it matters

    It either fails at the first step or runs many times slower.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    launch: {mixed_precision: fp16, use_cpu: true}  # <- RR323
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    launch: {mixed_precision: "no", use_cpu: true}
    output_dir: runs/x
    ```
    """
    launch, machine = resolved.recipe.launch, resolved.machine
    precision, cpu = settled(launch.mixed_precision), settled(launch.use_cpu)
    path = ("launch", "mixed_precision")
    if precision == "fp16" and cpu:
        yield Finding(
            path, "`launch.mixed_precision` is fp16, which CPUs do not train in", 'use "no" or bf16'
        )
    if precision == "bf16" and not cpu and not machine.bf16:
        message = f"`launch.mixed_precision` is bf16, which {machine.kind} does not have"
        yield Finding(path, message, "use fp16, or `auto`")
    if resolved.recipe.training.tf32 and (cpu or not machine.bf16):
        # TensorFloat-32 came with Ampere, as bfloat16 did.
        kind = "the CPU" if cpu else machine.kind
        message = f"`training.tf32` is true, which {kind} does not have"
        yield Finding(("training", "tf32"), message, "remove it, or set it to false")


@rule("RR324", "quantization-with-sharding")
def quantization_with_sharding(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The base is quantized and also sharded over processes, and the packed weights are kept in
    a type that cannot be sharded with the rest.

    ## Why it matters

    FSDP wants all tensors of a unit in one floating-point type; it fails after the model was
    loaded on every process.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    quantization: bnb_4bit  # <- RR324
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    launch: {strategy: fsdp, num_processes: 2, use_cpu: true}
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: org/model-id, dtype: bfloat16}
    quantization: {type: bnb_4bit, bnb_4bit_quant_storage: bfloat16}
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    launch: {strategy: fsdp, num_processes: 2, use_cpu: true}
    output_dir: runs/x
    ```
    """
    quantization = resolved.recipe.quantization
    if quantization is None or not resolved.sharding.shards_weights:
        return
    dtype = settled(resolved.recipe.model.dtype)
    if quantization.storage_dtype != dtype:
        kept = quantization.storage_dtype or "a type that cannot be chosen"
        message = (
            f"{resolved.sharding.type} shards weights of one type, {dtype}, "
            f"but {quantization.type} keeps its own in {kept}"
        )
        yield Finding(
            ("quantization",),
            message,
            f"set `bnb_4bit_quant_storage: {dtype}`, or `launch.strategy: ddp`",
        )


@rule("RR325", "remote-code-not-allowed")
def remote_code(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The recipe asks to run Python code that comes with the model.

    ## Why it matters

    A recipe may come from anyone. Code in a model's repository runs with your rights, so the
    recipe can only ask for it; the person who starts the run allows it.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: org/model-id, trust_remote_code: true}  # <- RR325
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    if resolved.recipe.model.trust_remote_code:
        message = "`model.trust_remote_code` asks to run Python code from the model's repository"
        yield Finding(
            ("model", "trust_remote_code"),
            message,
            "read that code; models that transformers knows by itself do not need it",
        )


@rule("RR326", "launch-option-without-effect", "warning")
def launch_option_without_effect(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    A launch strategy for several processes has one process only, or an address where machines
    meet is given for one machine.

    ## Why it matters

    Nothing is sharded over one process: the model, its gradients and its optimizer state have
    to fit on one device, which a recipe written for eight may not expect.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    launch: {strategy: fsdp, num_processes: 1}  # <- RR326
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    launch: {strategy: fsdp, num_processes: 8}
    output_dir: runs/x
    ```
    """
    launch, sharding = resolved.recipe.launch, resolved.sharding
    if sharding.many and settled(launch.num_processes) == 1:
        message = (
            f"`launch.strategy` is {sharding.type}, which has no effect with one process: "
            "it holds the whole model"
        )
        yield Finding(("launch", "strategy"), message, "leave it at auto, or use several processes")
    if launch.num_machines == 1 and launch.main_process_ip is not None:
        message = "`launch.main_process_ip` has no effect with one machine"
        yield Finding(("launch", "main_process_ip"), message, "remove it", of_key=True)
