"""Rules about arguments that are passed through to upstream."""

import difflib
from collections.abc import Iterator

from recipe_runner.compiler.optimizers import optimizer_names, optimizer_of
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.upstream import fields


@rule("RR501", "unknown-upstream-argument")
def unknown_upstream_argument(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    `algorithm.extra` holds a name that the upstream arguments class does not have.

    ## Why it matters

    Arguments passed through are for options that have no field here; a misspelt one would
    fail after everything was loaded.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm:
      type: sft
      extra: {eval_use_gather_objct: true}  # <- RR501
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm:
      type: sft
      extra: {eval_use_gather_object: true}
    output_dir: runs/x
    ```
    """
    algorithm = resolved.recipe.algorithm
    if not algorithm.extra or algorithm.upstream is None:
        return
    known = fields(algorithm.upstream)
    for name in algorithm.extra:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            target = algorithm.upstream.partition(":")[2]
            yield Finding(
                ("algorithm", "extra", name),
                f"`algorithm.extra.{name}` is no argument of {target}",
                f"did you mean `{near[0]}`?"
                if near
                else f"see the arguments of {target} in TRL's documentation",
                of_key=True,
            )


@rule("RR502", "managed-upstream-argument")
def managed_upstream_argument(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    `algorithm.extra` sets an argument that another key of the recipe already decides.

    ## Why it matters

    Two places for one value would contradict each other sooner or later, and the plan could
    show only one.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm:
      type: sft
      extra: {max_length: 512}  # <- RR502
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, max_length: 512}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    recipe = resolved.recipe
    own = {*recipe.algorithm.managed, *type(recipe.algorithm).model_fields}
    training = set(type(recipe.training).model_fields)
    decided = {
        "output_dir",
        "seed",
        "data_seed",
        "bf16",
        "fp16",
        "use_cpu",
        "report_to",
        "run_name",
        "fsdp",
        "deepspeed",
    }
    for name in recipe.algorithm.extra:
        where = f"`training.{name}`" if name in training else "a key of its own"
        if name in own | training | decided:
            message = f"`algorithm.extra.{name}` is decided by {where}"
            yield Finding(("algorithm", "extra", name), message, "use that key", of_key=True)


@rule("RR503", "unknown-optimizer")
def unknown_optimizer(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    `training.optim` is none of the optimizers that transformers knows, and not `muon`.

    ## Why it matters

    Upstream says so only after the model was loaded.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training: {optim: adamw_torch_fusd}  # <- RR503
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training: {optim: adamw_torch_fused}
    output_dir: runs/x
    ```
    """
    optim = resolved.recipe.training.optim
    known = optimizer_names()
    if optim not in known:
        near = difflib.get_close_matches(optim, known, n=3)
        help_text = f"did you mean `{near[0]}`? " if near else ""
        yield Finding(
            ("training", "optim"),
            f"`training.optim` is {optim}, which is no optimizer that is known",
            f"{help_text}choices: {', '.join(known)}",
        )


@rule("RR504", "optimizer-without-targets")
def optimizer_without_targets(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The optimizer projects the gradients of chosen modules, and the recipe names none.

    ## Why it matters

    Upstream says so after the model was loaded and the data prepared.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training: {optim: galore_adamw, save_only_model: true}  # <- RR504
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training: {optim: galore_adamw, optim_target_modules: all-linear, save_only_model: true}
    output_dir: runs/x
    ```
    """
    training = resolved.recipe.training
    if optimizer_of(training.optim).low_rank and training.optim_target_modules is None:
        message = f"`training.optim` is {training.optim}, and `optim_target_modules` is not given"
        help_text = "set `optim_target_modules: all-linear`, or name the modules"
        yield Finding(("training", "optim"), message, help_text)
