"""Rules about how texts become tokens."""

from collections.abc import Iterator

from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule


@rule("RR317", "tokenizer-missing")
def tokenizer_missing(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The folder of the model, or of the tokenizer, holds no tokenizer.

    ## Why it matters

    Nothing can be turned into tokens; upstream reports a hub error that hides the reason.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: shipped:quickstart, random_init: true}  # <- RR317
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
    facts = resolved.around.tokenizer
    if facts is None or not facts.local or facts.has_tokenizer:
        return
    own = resolved.recipe.tokenizer.name_or_path
    yield Finding(
        ("tokenizer",) if own else ("model",),
        f"`{own or resolved.recipe.model.name_or_path}` holds no tokenizer",
        "set `tokenizer.name_or_path` to a folder or hub id that has one",
    )


@rule("RR318", "chat-template-missing")
def chat_template_missing(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The data are conversations, and the tokenizer has no chat template to render them with.

    ## Why it matters

    There is no default: the template decides every token, and must be the one that the model
    is served with.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    tokenizer: tiny  # <- RR318
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ```json tiny/tokenizer_config.json
    {"tokenizer_class": "TokenizersBackend"}
    ```

    ## Instead

    For a base model `chatml` is the usual choice.

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    tokenizer: {name_or_path: tiny, chat_template: chatml}
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    facts, template = resolved.around.tokenizer, resolved.around.template
    if (
        facts is None
        or not facts.local
        or not facts.has_tokenizer
        or facts.chat_template is not None
    ):
        return
    if template is None or template.text is not None:
        return
    for source in (*resolved.train, *resolved.eval):
        if source.format.renders_chat:
            message = (
                f"`{source.spec.path}` holds conversations, but the tokenizer has no chat template"
            )
            yield Finding(
                ("tokenizer",), message, "set `tokenizer.chat_template`, such as `chatml`"
            )
            return
