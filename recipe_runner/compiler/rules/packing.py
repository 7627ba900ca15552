"""Rules about rows that share a sequence, and about tokens of different weight."""

from collections.abc import Iterator

from recipe_runner.compiler.resolve_joined import joins_rows
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.components.base import settled
from recipe_runner.plan.joined import SEGMENTS, cannot_join, cannot_segment

_DENSE = ("eager", "flex_attention")
"""Attention that keeps documents apart by a mask over the whole row, dense or in blocks."""


@rule("RR344", "documents-not-apart")
def documents_not_apart(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    Rows are packed, or joined without padding, and the model's layers cannot keep them apart:
    recurrent layers, attention in both directions or in chunks, or, with the attention that
    packing takes, capped scores and sinks.

    ## Why it matters

    A document would see the one before it in its sequence, and train on what it will never
    have when the model is used.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: tiny, random_init: true}
    tokenizer: {name_or_path: org/model-id, chat_template: chatml}
    data: {train: data/chat.jsonl, packing: bfd}  # <- RR344
    algorithm: sft
    output_dir: runs/x
    ```

    ```json tiny/config.json
    {"model_type": "lfm2", "layer_types": ["conv", "full_attention"]}
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: tiny, random_init: true}
    tokenizer: {name_or_path: org/model-id, chat_template: chatml}
    data: {train: data/chat.jsonl}
    algorithm: sft
    training: {train_sampling_strategy: group_by_length}
    output_dir: runs/x
    ```
    """
    if not joins_rows(resolved.recipe) or resolved.around.model is None:
        return
    config = {**resolved.around.model.config, **resolved.recipe.model.config_overrides}
    packs = resolved.recipe.data.packing is not None
    path = ("data", "packing") if packs else ("algorithm", "padding_free")
    name = ".".join(path)
    why = cannot_join(config)
    if settled(resolved.recipe.model.task) == "image_text_to_text":
        why = "reads images, which belong to rows of their own"
    help_text = f"remove `{name}`; `training.train_sampling_strategy: group_by_length` saves most of the padding"
    if why is None and resolved.recipe.model.attn_implementation in (None, "sdpa", SEGMENTS):
        why = cannot_segment(config)
        help_text = f"set `model.attn_implementation: eager`, or remove `{name}`"
    if why is not None:
        model = resolved.recipe.model.name_or_path
        yield Finding(path, f"`{name}` is set, but `{model}` {why}", help_text, of_key=True)


@rule("RR345", "weights-not-supported")
def weights_not_supported(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    Tokens train with different weights, and another option changes the loss in a way that
    knows no weights: `loss_type: dft` or label smoothing.

    ## Why it matters

    The weights would be ignored, or scale something that nobody meant.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, loss_on: {weights: {"[0-9]+": 2}}}
    algorithm: {type: sft, loss_type: dft}  # <- RR345
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, loss_on: {weights: {"[0-9]+": 2}}}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    weighted = any(
        source.loss.weights or source.format.options().get("weight_key")
        for source in (*resolved.train, *resolved.eval)
    )
    if not weighted:
        return
    loss = resolved.recipe.algorithm.options().get("loss_type")
    if loss not in (None, "nll"):
        message = f"tokens have weights, which `algorithm.loss_type: {loss}` does not know"
        yield Finding(("algorithm", "loss_type"), message, "keep one of the two", of_key=True)
    if resolved.recipe.training.label_smoothing_factor:
        message = "tokens have weights, which `training.label_smoothing_factor` does not know"
        path = ("training", "label_smoothing_factor")
        yield Finding(path, message, "keep one of the two", of_key=True)


@rule("RR346", "mask-over-packs", severity="warning")
def mask_over_packs(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    Rows are packed, or joined without padding, and `model.attn_implementation` keeps them
    apart by a mask over all tokens of a batch.

    ## Why it matters

    The batch becomes one row, so time and memory of the attention grow with the square of
    sequences x length. It is correct, and may be slower than padding.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: org/model-id, attn_implementation: eager}  # <- RR346
    data: {train: data/chat.jsonl, packing: bfd}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, packing: bfd}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    attention = resolved.recipe.model.attn_implementation
    micro = settled(resolved.recipe.training.per_device_train_batch_size)
    if not joins_rows(resolved.recipe) or attention not in _DENSE or micro == 1:
        return
    tokens = micro * settled(resolved.recipe.data.max_length)
    yield Finding(
        ("model", "attn_implementation"),
        f"`model.attn_implementation: {attention}` makes a mask over up to {tokens:,} x {tokens:,} "
        "tokens, because rows are joined",
        "leave it out, which computes document by document, or set "
        "`training.per_device_train_batch_size: 1`",
    )
