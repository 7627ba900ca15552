"""Codes for `--set path=value` on the command line."""

from recipe_runner.diagnostics import Code

SET_SYNTAX = Code(
    "RR010",
    "set-syntax",
    """
    ## What it means

    An argument of `--set` is not a path of keys, an equals sign and a value.

    ## Why it matters

    A key without a value could mean "remove it" or "set it to true"; neither is guessed.

    ## Example

    ```console
    $ recipe-run train recipe.yaml --set training.learning_rate
    --set training.learning_rate: RR010 set-syntax: `training.learning_rate` has no `=`
    ```

    ## Instead

    Join keys and list indices by dots. A key that holds a dot stands in double quotes. An
    empty value is null.

    ```console
    $ recipe-run train recipe.yaml --set training.learning_rate=2e-4 --set adapter=
    ```
    """,
)

SET_BELOW_VALUE = Code(
    "RR011",
    "set-below-value",
    """
    ## What it means

    The path of a `--set` goes on below a key whose value is a single value, often a
    shorthand such as `model: org/model-id`.

    ## Why it matters

    A single value holds no keys. Replacing it would lose what it says.

    ## Example

    ```console
    $ grep model recipe.yaml
    model: org/model-id
    $ recipe-run train recipe.yaml --set model.dtype=float32
    --set model.dtype=float32: RR011 set-below-value: `model` is the single value
    `org/model-id`, so it holds no key `dtype`
    ```

    ## Instead

    Write the long form in the recipe, or set the whole value.

    ```yaml
    recipe: 1
    model: {name_or_path: org/model-id}
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

SET_NO_SUCH_ITEM = Code(
    "RR012",
    "set-no-such-item",
    """
    ## What it means

    The path of a `--set` leads into a list, but not to one of its items. Items are counted
    from 0.

    ## Why it matters

    Adding an item at a place that happens to be free would hide a wrong count.

    ## Example

    ```console
    $ recipe-run train recipe.yaml --set data.train.2.limit=100
    --set data.train.2.limit=100: RR012 set-no-such-item: `data.train` is a list with
    items 0 to 1, and `2` is none of them
    ```

    ## Instead

    ```console
    $ recipe-run train recipe.yaml --set data.train.1.limit=100
    ```
    """,
)
