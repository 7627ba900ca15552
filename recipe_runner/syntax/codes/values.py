"""Codes for values: brackets, quotes, escapes and numbers."""

from recipe_runner.diagnostics import Code

UNCLOSED_BRACKET = Code(
    "RR103",
    "unclosed-bracket",
    """
    ## What it means

    A bracket or brace is opened and the file, or the structure around it, ends before it is
    closed.

    ## Why it matters

    Everything behind the bracket reads as part of it, so errors further down would mislead.

    ## Example

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl # <- RR103
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    Close the bracket.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

UNCLOSED_QUOTE = Code(
    "RR104",
    "unclosed-quote",
    """
    ## What it means

    A quote is opened and never closed.

    ## Why it matters

    The rest of the file reads as one text.

    ## Example

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: 'runs/x # <- RR104
    ```

    ## Instead

    Close the quote, or leave both out.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

NUMBER_NOT_FINITE = Code(
    "RR118",
    "number-not-finite",
    """
    ## What it means

    A value is `.nan` or `.inf`, or a number beyond the range of a 64-bit float, about
    1.8e308.

    ## Why it matters

    No option of a recipe is ever infinite or undefined, and such a value in a plan could not
    be written as JSON.

    ## Example

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training: {max_grad_norm: .inf} # <- RR118
    output_dir: runs/x
    ```

    ## Instead

    Leave the key out where no limit is meant.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

QUOTES_NEEDED = Code(
    "RR119",
    "quotes-needed",
    """
    ## What it means

    An unquoted value starts with a character that YAML keeps for itself: `*`, `&`, `@`, `%`,
    a backtick and a few more.

    ## Why it matters

    With `*` and `&` YAML would read a reference to another value instead of text.

    ## Example

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: @chat} # <- RR119
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    Put the whole value in quotes.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: "data/chat.jsonl"}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

UNKNOWN_ESCAPE = Code(
    "RR123",
    "unknown-escape",
    """
    ## What it means

    A backslash in double quotes is followed by a character that makes no escape.

    ## Why it matters

    In double quotes a backslash always starts an escape. A Windows path in double quotes is
    the usual case.

    ## Example

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: "data\\chat.jsonl"} # <- RR123
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    Use single quotes, in which a backslash is itself, and `/` in paths.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: 'data/chat.jsonl'}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

LONE_SURROGATE = Code(
    "RR124",
    "lone-surrogate",
    """
    ## What it means

    A `\\u` escape is half of a pair that encodes one character, and the other half is
    missing.

    ## Why it matters

    Half of a character cannot be written to any file, so the run would end when it first
    prints the value.

    ## Example

    ```yaml
    recipe: 1
    name: "\\ud83d" # <- RR124
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    Write the character itself, or its whole code.

    ```yaml
    recipe: 1
    name: "\\U0001F600"
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

MISSING_COMMA = Code(
    "RR125",
    "missing-comma",
    """
    ## What it means

    Two items in brackets or braces stand side by side without a comma.

    ## Why it matters

    Without the comma the two read as one text.

    ## Example

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl limit: 10} # <- RR125
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    Put a comma between the items.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

UNEXPECTED_BRACKET = Code(
    "RR126",
    "unexpected-bracket",
    """
    ## What it means

    A closing bracket has no opening one, or closes a bracket of the other kind.

    ## Why it matters

    Where the list or mapping ends is then unclear.

    ## Example

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl] # <- RR126
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    Close each bracket with its own kind.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)
