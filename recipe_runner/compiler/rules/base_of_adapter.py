"""Rules about an adapter and what is changed on the base that it is trained on."""

from collections.abc import Iterator

from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule


@rule("RR341", "added-tokens-untrained", "warning")
def added_tokens_untrained(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    Tokens are added to the tokenizer, and the adapter does not train their embeddings.

    ## Why it matters

    The rows of added tokens start at random and stay so: the model sees noise wherever such a
    token stands, and cannot learn to write it.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    tokenizer: {add_tokens: ["<think>"]}  # <- RR341
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    tokenizer: {add_tokens: ["<think>"]}
    adapter: {type: lora, modules_to_save: [embed_tokens, lm_head]}
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    adapter, tokens = resolved.recipe.adapter, resolved.recipe.tokenizer.add_tokens
    if adapter is not None and tokens and not adapter.trains_embeddings:
        message = f"the embeddings of {len(tokens)} added tokens stay random, since {adapter.type} does not train them"
        yield Finding(
            ("tokenizer", "add_tokens"),
            message,
            "add the embeddings to `adapter.modules_to_save`, such as [embed_tokens, lm_head]",
        )


@rule("RR342", "adapter-with-rounded-embeddings")
def adapter_with_rounded_embeddings(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The embedding matrix is rounded up to a multiple, and only an adapter is saved.

    ## Why it matters

    Whoever loads the adapter loads the base with its own number of rows. The adapter's are
    more, and neither PEFT nor transformers can put the two together.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    tokenizer:
      add_tokens: ["<think>"]
      resize_embeddings_multiple_of: 64  # <- RR342
    adapter: {type: lora, modules_to_save: [embed_tokens, lm_head]}
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    tokenizer:
      add_tokens: ["<think>"]
    adapter: {type: lora, modules_to_save: [embed_tokens, lm_head]}
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    recipe = resolved.recipe
    multiple = recipe.tokenizer.resize_embeddings_multiple_of
    if recipe.adapter is not None and multiple is not None:
        message = (
            f"`tokenizer.resize_embeddings_multiple_of` is {multiple}, and only the adapter is saved: "
            "it would not fit the base that it is loaded on"
        )
        yield Finding(
            ("tokenizer", "resize_embeddings_multiple_of"), message, "remove it, or the adapter"
        )


@rule("RR343", "adapter-on-changed-base", "warning")
def adapter_on_changed_base(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The base model's configuration is overridden, and only an adapter is saved.

    ## Why it matters

    The adapter learns on the changed base and is loaded on the unchanged one, unless whoever
    loads it makes the same changes. The answers differ, and nothing says why.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model:
      name_or_path: org/model-id
      config_overrides: {rope_theta: 1000000}  # <- RR343
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    Save the base once with the configuration that you want, and train on that folder.

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
    if recipe.adapter is not None and recipe.model.config_overrides:
        keys = ", ".join(f"`{key}`" for key in recipe.model.config_overrides)
        message = f"the adapter learns on a base with another {keys}, and is loaded on one without"
        yield Finding(
            ("model", "config_overrides"),
            message,
            "save the base with this configuration first, or set it again wherever the adapter is loaded",
        )
