"""Rules about activations that are computed again."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from recipe_runner.compiler.resolved import Path, ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.compiler.rungs import reenters
from recipe_runner.components.base import settled

OPTIONS = ("training", "activation_checkpointing_kwargs")

_SWITCH = "true or false"
_KNOWN: Mapping[str, str] = {
    "every_n_layers": "a number of layers, 1 or more",
    "selective": _SWITCH,
    "offload": _SWITCH,
    "use_reentrant": _SWITCH,
    "preserve_rng_state": _SWITCH,
    "determinism_check": "`default` or `none`",
    "debug": _SWITCH,
    "early_stop": _SWITCH,
}
"""The options, with what each may be.

Source: transformers 5.23 (`activation_checkpointing_enable`), trl 1.16 (`selective`), and
`torch.utils.checkpoint.checkpoint` of torch 2.13.
"""


@rule("RR337", "unknown-checkpointing-option")
def unknown_checkpointing_option(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    `training.activation_checkpointing_kwargs` holds an option that activation checkpointing does
    not have, or a value that the option cannot have.

    ## Why it matters

    What is not known upstream is handed to the layers of the model, and many of them swallow it
    without a word: the run would compute all layers again, and nobody would see it.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training:
      activation_checkpointing: true
      activation_checkpointing_kwargs: {every_n_layer: 2}  # <- RR337
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training:
      activation_checkpointing: true
      activation_checkpointing_kwargs: {every_n_layers: 2}
    output_dir: runs/x
    ```
    """
    for name, value in resolved.recipe.training.activation_checkpointing_kwargs.items():
        path: Path = (*OPTIONS, name)
        if name not in _KNOWN:
            near = difflib.get_close_matches(name, _KNOWN, n=1)
            message = f"activation checkpointing has no option `{name}`"
            known = f"it has {', '.join(f'`{each}`' for each in _KNOWN)}"
            yield Finding(path, message, f"did you mean `{near[0]}`?" if near else known, True)
        elif not _fits(name, value):
            message = f"`{name}` is {_KNOWN[name]}"
            help_text = "set `training.activation_checkpointing: false` to keep all activations"
            yield Finding(path, message, help_text if name == "every_n_layers" else "correct it")


def _fits(name: str, value: Any) -> bool:
    if name == "every_n_layers":
        return isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if name == "determinism_check":
        return value in ("default", "none")
    return isinstance(value, bool)


@rule("RR371", "attention-not-kept")
def attention_not_kept(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    `selective` keeps what the attention gave and computes the rest of a layer again, and the
    recipe computes layers again in the way that cannot keep anything of them: with
    `use_reentrant: true`, which TRL sets for an adapter under DeepSpeed's third stage.

    ## Why it matters

    Upstream refuses it when the first batch is there, after the model was loaded.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training:
      activation_checkpointing: true
      activation_checkpointing_kwargs: {use_reentrant: true, selective: true}  # <- RR371
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training:
      activation_checkpointing: true
      activation_checkpointing_kwargs: {selective: true}
    output_dir: runs/x
    ```
    """
    given = resolved.recipe.training.activation_checkpointing_kwargs
    if not given.get("selective"):
        return
    path: Path = (*OPTIONS, "selective")
    message = "`selective` keeps what the attention gave, and "
    if given.get("use_reentrant"):
        yield Finding(
            path, f"{message}`use_reentrant` keeps nothing", "remove one of the two", True
        )
    elif reenters(resolved):
        message += "an adapter under `zero_stage: 3` needs checkpoints that keep nothing"
        yield Finding(path, message, "remove it, or set `zero_stage: 2`", of_key=True)


def offloading(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """Inputs of layers that are to wait in the memory of the host, of a run that is there."""
    training = resolved.recipe.training
    given = training.activation_checkpointing_kwargs
    if given.get("offload") and settled(training.activation_checkpointing):
        message = "`offload` needs a GPU, and the run is on the CPU"
        yield Finding((*OPTIONS, "offload"), message, "remove it", of_key=True)


def idle_options(resolved: ResolvedRecipe) -> Iterator[tuple[Path, str, str]]:
    """Options of checkpointing that do nothing: the path, why, and what to do."""
    training = resolved.recipe.training
    given = training.activation_checkpointing_kwargs
    if not given:
        return
    stated = "training.activation_checkpointing" not in resolved.reasons
    if resolved.sharding.checkpoints_activations:
        why = "`launch.strategy` recomputes activations itself, all of them"
        yield OPTIONS, why, "remove one of the two"
    elif stated and not settled(training.activation_checkpointing):
        why = "`activation_checkpointing` is false"
        yield OPTIONS, why, "set `activation_checkpointing: true`, or remove them"
    elif given.get("selective") and resolved.recipe.model.attn_implementation == "eager":
        why = "`model.attn_implementation` is eager, which is no one operation to keep"
        yield (*OPTIONS, "selective"), why, "remove one of the two"
