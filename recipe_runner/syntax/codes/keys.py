"""Codes for keys and their colons."""

from recipe_runner.diagnostics import Code

REPEATED_KEY = Code(
    "RR106",
    "repeated-key",
    """
    ## What it means

    A mapping sets the same key twice. The diagnostic names the first line.

    ## Why it matters

    Most YAML readers keep the last value and say nothing, so a change to the first line has
    no effect.

    ## Example

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    model: org/other-id # <- RR106
    ```

    ## Instead

    Keep one of the two.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

KEY_NOT_TEXT = Code(
    "RR116",
    "key-not-text",
    """
    ## What it means

    A key is a number, a truth value or null. Keys of a recipe are text.

    ## Why it matters

    `1`, `true` and `null` as keys differ from the text that they look like, so they match no
    key of the schema.

    ## Example

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    2: x # <- RR116
    ```

    ## Instead

    Write a key of the schema; put a key that has to look like a number in quotes.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

COMPOUND_KEY = Code(
    "RR117",
    "compound-key",
    """
    ## What it means

    A list or a mapping stands where a key is expected, often a value that starts with a brace
    and was meant as text.

    ## Why it matters

    YAML allows such keys, recipes do not: there is no name to look up.

    ## Example

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    {name}: x # <- RR117
    ```

    ## Instead

    Quote text that holds braces.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

UNQUOTED_COLON = Code(
    "RR120",
    "unquoted-colon",
    """
    ## What it means

    An unquoted value holds a colon followed by a space, which would start another key.

    ## Why it matters

    A text with a colon is common in descriptions and prompts, and YAML cannot tell it from a
    key.

    ## Example

    ```yaml
    recipe: 1
    description: first try: rank 16 # <- RR120
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    Put the value in quotes.

    ```yaml
    recipe: 1
    description: "first try: rank 16"
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

MISSING_COLON = Code(
    "RR121",
    "missing-colon",
    """
    ## What it means

    A line has no colon with a space behind it, so it is neither a key nor part of the line
    above.

    ## Why it matters

    `key:value` without the space is one word to YAML.

    ## Example

    ```yaml
    recipe: 1
    model:org/model-id # <- RR121
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    Write the colon and a space behind the key.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)
