"""Rules about what an optimizer can do, and on which machine."""

import difflib
from collections.abc import Iterator, Mapping

from recipe_runner.compiler.compile_optimizer import options_of
from recipe_runner.compiler.optimizers import optimizer_of
from recipe_runner.compiler.resolved import Path, ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.components.base import settled

_OPTIM: Path = ("training", "optim")
# What `torch.optim.Muon` takes beside the learning rate and the decay (torch 2.13).
_MUON_OPTIONS: Mapping[str, tuple[type, ...]] = {
    "adjust_lr_fn": (str,),
    "eps": (float, int),
    "momentum": (float, int),
    "nesterov": (bool,),
    "ns_steps": (int,),
}


@rule("RR327", "schedule-beside-its-own", "warning")
def schedule_beside_its_own(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The optimizer averages its steps in place of a schedule, and the learning rate falls on
    top of that.

    ## Why it matters

    A schedule-free optimizer is tuned for a constant rate: with a falling one the last steps
    hardly count in its average.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training:
      optim: schedule_free_adamw
      lr_scheduler_type: cosine  # <- RR327
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training:
      optim: schedule_free_adamw
      lr_scheduler_type: constant_with_warmup
    output_dir: runs/x
    ```
    """
    training = resolved.recipe.training
    schedule = training.lr_scheduler_type
    if optimizer_of(training.optim).constant and not schedule.startswith("constant"):
        message = (
            f"`training.lr_scheduler_type` is {schedule}, and {training.optim} "
            "wants a constant learning rate"
        )
        help_text = "set `lr_scheduler_type: constant_with_warmup`"
        yield Finding(("training", "lr_scheduler_type"), message, help_text)


@rule("RR328", "optimizer-does-not-run-here")
def optimizer_does_not_run_here(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The optimizer does not work on the machine of the run: its package computes on a GPU only,
    or fails in any case.

    ## Why it matters

    It would fail at its first step, after the data is prepared and the model loaded.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training: {optim: adalomo}  # <- RR328
    launch: {use_cpu: true}
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training: {optim: adafactor}
    launch: {use_cpu: true}
    output_dir: runs/x
    ```
    """
    name = resolved.recipe.training.optim
    optimizer = optimizer_of(name)
    if optimizer.fails is not None:
        yield Finding(_OPTIM, f"`training.optim` is {name}: {optimizer.fails}", "use another one")
    elif optimizer.gpu_only and _on_cpu(resolved):
        message = f"`training.optim` is {name}, which works on a GPU only, and the run is on a CPU"
        yield Finding(_OPTIM, message, "run on a GPU, or use `adamw_torch_fused` or `adafactor`")


@rule("RR329", "nothing-to-page", "warning")
def nothing_to_page(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The optimizer moves its state from a full GPU into the machine's memory, and the run is on
    a CPU.

    ## Why it matters

    There is nothing to move: it works as the optimizer of the same name without `paged_`.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training: {optim: paged_adamw_8bit}  # <- RR329
    launch: {use_cpu: true}
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training: {optim: adamw_8bit}
    launch: {use_cpu: true}
    output_dir: runs/x
    ```
    """
    name = resolved.recipe.training.optim
    if optimizer_of(name).paged and _on_cpu(resolved):
        message = f"`training.optim` is {name}, and a run on a CPU has nothing to page"
        yield Finding(_OPTIM, message, "use the optimizer of that name without `paged_`")


@rule("RR397", "optimizer-without-matrices")
def optimizer_without_matrices(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The optimizer works on the large matrices of the model, and an adapter freezes them.

    ## Why it matters

    GaLore and APOLLO look for modules of the base to project, and Muon is made for whole
    matrices of a model: an adapter's are of low rank already.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    training: {optim: muon}  # <- RR397
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training: {optim: muon}
    output_dir: runs/x
    ```
    """
    name = resolved.recipe.training.optim
    optimizer = optimizer_of(name)
    if (optimizer.low_rank or optimizer.ours) and resolved.recipe.adapter is not None:
        message = f"`training.optim` is {name}, which trains matrices that the adapter freezes"
        yield Finding(_OPTIM, message, "use `adamw_torch_fused`, or remove the adapter")


@rule("RR398", "optimizer-in-pieces")
def optimizer_in_pieces(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The optimizer cannot do what this run asks of it: add up gradients of several passes, clip
    them, resume, or train on several processes or on pieces of matrices.

    ## Why it matters

    A layerwise optimizer steps inside the backward pass, where there is no whole gradient yet.
    The state of some is in no checkpoint, or cannot be read from it. Muon needs whole matrices
    on each process. Upstream fails after the model was loaded, or passes over it.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training:
      optim: lomo
      gradient_accumulation_steps: 4  # <- RR398
      max_grad_norm: 0
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training:
      optim: lomo
      gradient_accumulation_steps: 1
      max_grad_norm: 0
    output_dir: runs/x
    ```
    """
    recipe, training = resolved.recipe, resolved.recipe.training
    name = training.optim
    optimizer = optimizer_of(name)
    strategy = resolved.sharding.type
    if optimizer.ours and not resolved.sharding.keeps_matrices:
        message = (
            f"`training.optim` is {name}, which needs whole matrices, and {strategy} cuts them"
        )
        yield Finding(_OPTIM, message, "use `launch.strategy: ddp`, or another optimizer")
    if optimizer.fails is not None or (optimizer.gpu_only and _on_cpu(resolved)):
        return
    if not optimizer.resumes and training.save_strategy != "no" and not training.save_only_model:
        message = (
            f"the state of {name} does not come back from a checkpoint, so none can be resumed"
        )
        yield Finding(_OPTIM, message, "set `save_only_model: true`, or `save_strategy: no`")
    if not optimizer.layerwise:
        return
    accumulation = settled(training.gradient_accumulation_steps)
    if accumulation > 1:
        message = f"{name} steps in each backward pass, and a step here is of {accumulation} passes"
        help_text = "set `gradient_accumulation_steps: 1`, and a batch that fits into one pass"
        yield Finding(("training", "gradient_accumulation_steps"), message, help_text)
    if settled(recipe.launch.num_processes) > 1:
        message = f"`training.optim` is {name}, which trains in one process only"
        yield Finding(_OPTIM, message, "set `launch.num_processes: 1`, or use another optimizer")
    if training.max_grad_norm:
        message = f"{name} never sees the whole gradient, so nothing is clipped"
        yield Finding(("training", "max_grad_norm"), message, "set `max_grad_norm: 0`")


@rule("RR399", "unknown-optimizer-option")
def unknown_optimizer_option(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    `training.optim_args` has an option that Muon does not take.

    ## Why it matters

    It would fail when the first step is due.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training:
      optim: muon
      optim_args: momentums=0.9  # <- RR399
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training:
      optim: muon
      optim_args: momentum=0.9
    output_dir: runs/x
    ```
    """
    training = resolved.recipe.training
    if not optimizer_of(training.optim).ours:
        return
    for option, value in options_of(training.optim_args).items():
        if option in _MUON_OPTIONS and type(value) not in _MUON_OPTIONS[option]:
            message = f"`{option}` of {training.optim} is {value}"
            yield Finding(
                ("training", "optim_args"),
                message,
                "write it as in `momentum=0.95,ns_steps=5`",
            )
        if option not in _MUON_OPTIONS:
            near = difflib.get_close_matches(option, _MUON_OPTIONS, n=1)
            help_text = f"did you mean `{near[0]}`? " if near else ""
            message = f"`{option}` is no option of {training.optim}"
            help_text += f"it takes {', '.join(_MUON_OPTIONS)}"
            yield Finding(("training", "optim_args"), message, help_text)


def _on_cpu(resolved: ResolvedRecipe) -> bool:
    return bool(settled(resolved.recipe.launch.use_cpu)) or resolved.machine.accelerators == 0
