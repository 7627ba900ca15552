"""Codes for anchors, aliases, merge keys and tags: parts of YAML that point elsewhere."""

from recipe_runner.diagnostics import Code

EXPLICIT_TAG = Code(
    "RR107",
    "explicit-tag",
    """
    ## What it means

    A value carries a tag: a word that starts with `!` and names a type.

    ## Why it matters

    In other tools a tag can call any Python function. A recipe is data: its types come from
    the schema, so a tag has nothing to say and is never followed.

    ## Example

    ```yaml
    recipe: 1
    model: !!python/name:os.system org/model-id # <- RR107
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    Delete the tag. Text that starts with `!` needs quotes.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

MERGE_KEY = Code(
    "RR108",
    "merge-key",
    """
    ## What it means

    The key `<<` asks for the keys of another mapping to be merged into this one.

    ## Why it matters

    Merge keys are not part of YAML 1.2. They hide where a value comes from: the line that a
    reader would change is not the line that a diagnostic could point at.

    ## Example

    ```yaml
    recipe: 1
    model: org/model-id
    data:
      train: &shared {path: data/chat.jsonl}
      eval:
        <<: *shared # <- RR108
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    Write the keys out. An alias for a whole value is fine.

    ```yaml
    recipe: 1
    model: org/model-id
    data:
      train: {path: data/chat.jsonl}
      eval: [{path: data/chat.jsonl}]
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

RECURSIVE_ALIAS = Code(
    "RR109",
    "recursive-alias",
    """
    ## What it means

    An alias stands inside the very value that it repeats.

    ## Why it matters

    The value would have no end: each copy holds another copy.

    ## Example

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    tags: &tags [chat, *tags] # <- RR109
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    Write the value out.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    tags: [chat]
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

TOO_MANY_ALIASES = Code(
    "RR110",
    "too-many-aliases",
    """
    ## What it means

    The aliases of the file stand for more than 10,000 values together. Aliases that hold
    aliases multiply.

    ## Why it matters

    A file of a few lines could otherwise fill the memory of the machine that checks it.

    ## Example

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    tags:
      - &a [x, x, x, x, x, x, x, x, x, x]
      - &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
      - &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
      - &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c] # <- RR110
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    Write the values that are meant.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    tags: [x]
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

UNDEFINED_ALIAS = Code(
    "RR111",
    "undefined-alias",
    """
    ## What it means

    A value starts with `*` and a name, and nothing above it is marked `&` with that name.

    ## Why it matters

    An unquoted `*` always starts an alias, also where a pattern of file names was meant.

    ## Example

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: *chat} # <- RR111
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    Write the value, or mark the first one with `&`. Quote text that starts with `*`.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)
