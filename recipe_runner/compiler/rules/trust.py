"""Rules about code that comes with a model, and that nobody has read."""

from collections.abc import Iterator

from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule


@rule("RR379", "code-of-another-model")
def code_of_another_model(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    A model beside the one that trains, such as a reference, a teacher or a reward model, comes
    with Python code of its own: its `config.json` or its tokenizer's has an `auto_map`.

    ## Why it matters

    That code would run with your rights. It can be asked for and allowed for the model that
    trains only; every other model is loaded without code of its own, and one that cannot do
    without would end the run.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/pairs.jsonl}
    algorithm: {type: dpo, ref_model: reference}  # <- RR379
    output_dir: runs/x
    ```

    ```jsonl data/pairs.jsonl
    {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}
    ```

    ```json reference/config.json
    {"model_type": "own", "auto_map": {"AutoConfig": "configuration.OwnConfig"}}
    ```

    ## Instead

    Name a model that transformers knows by itself. Where it knows the one at hand, take
    `auto_map` out of the files in its folder.

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/pairs.jsonl}
    algorithm: {type: dpo, ref_model: org/reference}
    output_dir: runs/x
    ```
    """
    named = {
        **{
            role: (("algorithm", role), model)
            for role, model in resolved.recipe.algorithm.models().items()
        },
        **{
            f"rewards.{number}": (("rewards", number, "model"), reward.model)
            for number, reward in enumerate(resolved.recipe.rewards)
            if reward.model is not None
        },
    }
    for role, (path, model) in named.items():
        facts = resolved.around.others.get(role)
        if facts is None:
            continue
        files = {"config.json": facts.config, "tokenizer_config.json": facts.tokenizer_config}
        asking = [name for name, content in files.items() if content.get("auto_map")]
        if asking:
            message = (
                f"`{model.name_or_path}` comes with Python code of its own, which is not run for "
                f"another model than the one that trains: `{asking[0]}` has an `auto_map`"
            )
            help_text = (
                "name a model that transformers knows by itself; where it knows this one, "
                "remove `auto_map` from that file"
            )
            yield Finding(path, message, help_text)
