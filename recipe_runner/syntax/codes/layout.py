"""Codes for the layout of a file: lines, indentation, documents, nesting."""

from recipe_runner.diagnostics import Code

UNEXPECTED_TAB = Code(
    "RR101",
    "unexpected-tab",
    """
    ## What it means

    A line is indented with a tab, or a tab stands inside unquoted text.

    ## Why it matters

    YAML counts spaces. How wide a tab is depends on the editor, so the nesting that one
    person sees is not the nesting that another sees.

    ## Example

    ```yaml
    recipe: 1
    model: org/model-id
    data:
    \ttrain: data/chat.jsonl # <- RR101
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    Indent with two spaces.

    ```yaml
    recipe: 1
    model: org/model-id
    data:
      train: data/chat.jsonl
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

BAD_INDENTATION = Code(
    "RR102",
    "bad-indentation",
    """
    ## What it means

    A line stands deeper or less deep than the lines that it would have to belong to.

    ## Why it matters

    Indentation is the structure: a key that stands one space off belongs to another section,
    or to none.

    ## Example

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training:
        seed: 1
      max_steps: 10 # <- RR102
    output_dir: runs/x
    ```

    ## Instead

    Indent neighbours by the same number of spaces.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    training:
      max_steps: 10
    output_dir: runs/x
    ```
    """,
)

UNREADABLE_YAML = Code(
    "RR105",
    "unreadable-yaml",
    """
    ## What it means

    The text is not YAML here: the value before this place is already complete, or a sign such
    as `|` is followed by something that it does not take.

    ## Why it matters

    What comes behind cannot be told apart from what belongs to the value.

    ## Example

    ```yaml
    recipe: 1
    model: "org" model-id # <- RR105
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    Put quotes around the whole value, or around none of it.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

SEVERAL_DOCUMENTS = Code(
    "RR112",
    "several-documents",
    """
    ## What it means

    The file holds a second YAML document: a line `---` with text before it.

    ## Why it matters

    A recipe file holds one recipe. Which of several should run would be a guess.

    ## Example

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    --- # <- RR112
    recipe: 1
    ```

    ## Instead

    Give each recipe a file of its own.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

NESTED_TOO_DEEP = Code(
    "RR113",
    "nested-too-deep",
    """
    ## What it means

    Lists and mappings nest more than 50 levels deep. A recipe needs about ten.

    ## Why it matters

    It is most likely a bracket that was repeated, or a file made to exhaust the stack of the
    program that reads it.

    ## Example

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    tags:
      [[[[[[[[[[[[[[[[[[[[[[[[[[
      [[[[[[[[[[[[[[[[[[[[[[[[[chat # <- RR113
      ]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

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

EMPTY_FILE = Code(
    "RR114",
    "empty-file",
    """
    ## What it means

    The file is empty or holds comments only.

    ## Why it matters

    There is nothing to run. A file that was written while the disk was full is often empty.

    ## Example

    ```yaml
    # a recipe will stand here <- RR114
    ```

    ## Instead

    The shortest recipe has five keys. `recipe-run init` writes one.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

ROOT_NOT_A_MAPPING = Code(
    "RR115",
    "root-not-a-mapping",
    """
    ## What it means

    The file holds a list or a single value at its top, where a recipe has keys.

    ## Why it matters

    The sections of a recipe are found by their names.

    ## Example

    ```yaml
    - recipe: 1 # <- RR115
    - model: org/model-id
    ```

    ## Instead

    Put every section at the left margin, without dashes.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

YAML_DIRECTIVE = Code(
    "RR122",
    "yaml-directive",
    """
    ## What it means

    A line starts with `%`, which is a directive to the YAML reader, such as `%YAML 1.1`.

    ## Why it matters

    Recipes are always YAML 1.2, so that `no` is text and `1e-4` is a number for every reader.

    ## Example

    ```yaml
    %YAML 1.1 # <- RR122
    ---
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    Delete the directive.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)
