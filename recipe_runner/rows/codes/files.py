"""What can be wrong with a data set's files and rows.

The survey before a run and the preparation during it find the same faults, so
they tell them with the same codes.
"""

from __future__ import annotations

from recipe_runner.diagnostics import Code

DATA_NOT_FOUND = Code(
    id="RR401",
    name="data-not-found",
    page="""
    ## What it means

    A data set names a file or folder that does not exist.

    ## Why it matters

    Paths in a recipe are relative to the recipe's own folder, not to the folder in which
    the command is typed. A path that worked in a shell may therefore point elsewhere.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: data/chats.jsonl}  # <- RR401
    algorithm: sft
    output_dir: runs/chat
    ```

    ```jsonl data/chat.jsonl
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    ```

    ## Instead

    Name the file that exists, seen from the recipe's folder.

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/chat
    ```
    """,
)

MALFORMED_ROW = Code(
    id="RR402",
    name="malformed-row",
    page="""
    ## What it means

    A line of a data file cannot be read as a row.
    It is not JSON, not UTF-8, or has another number of values than the header has columns.

    ## Why it matters

    One bad line usually means that the program that wrote the file failed there, and
    that its neighbours deserve a look. Rows are never dropped in silence.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/chat
    ```

    ```jsonl data/chat.jsonl
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    {"messages": [{"role": "user", "content": "Bye"}, {"role": "assistant" "content": "See you"}]}
    {"messages": [{"role": "user", "content": "Hm"}, {"role": "assistant", "content": "Yes"}]}
    ```

    ## Instead

    Repair the line. To train on the other rows, write `on_bad_row: drop` in the data
    set; bad rows are then counted and listed in the run's report.

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: {path: data/chat.jsonl, on_bad_row: drop}}
    algorithm: sft
    output_dir: runs/chat
    ```
    """,
)

TRUNCATED_FILE = Code(
    id="RR403",
    name="truncated-file",
    page="""
    ## What it means

    The last line of a data file breaks off in the middle of a row.

    ## Why it matters

    A file that ends like this was not written to its end: a download or an export
    stopped. More than the last row may be missing.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/chat
    ```

    ```jsonl data/chat.jsonl unfinished
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    {"messages": [{"role": "user", "content": "Bye"}, {"role": "assi
    ```

    ## Instead

    Fetch or write the file again. To train on the rows that are whole, write
    `on_bad_row: drop` in the data set.

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: {path: data/chat.jsonl, on_bad_row: drop}}
    algorithm: sft
    output_dir: runs/chat
    ```
    """,
)

MISSING_COLUMN = Code(
    id="RR404",
    name="missing-column",
    page="""
    ## What it means

    A row lacks a column that the data set's format needs, or has null there.

    ## Why it matters

    The format decides which columns are read. Either the data are in another format,
    or the column has another name, or some rows are incomplete.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: {path: data/pairs.jsonl, format: prompt_completion}}
    algorithm: sft
    output_dir: runs/pairs
    ```

    ```jsonl data/pairs.jsonl
    {"prompt": "2 + 2 =", "completion": " 4"}
    {"prompt": "2 + 3 =", "answer": " 5"}
    ```

    ## Instead

    Name the format that the rows have, or rename columns with
    `columns: {completion: answer}`, or write `on_bad_row: drop` to leave such rows out.

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data:
      train: {path: data/pairs.jsonl, format: prompt_completion, on_bad_row: drop}
    algorithm: sft
    output_dir: runs/pairs
    ```
    """,
)

ROW_DOES_NOT_FIT = Code(
    id="RR405",
    name="row-does-not-fit",
    page="""
    ## What it means

    A row has the columns of its format, and a value in them that the format cannot use.
    A number where text is expected, a conversation without a message, a turn without a
    role are such values.

    ## Why it matters

    A row that is bent into shape trains on something nobody wrote. So rows are not
    repaired.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/chat
    ```

    ```jsonl data/chat.jsonl
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    {"messages": []}
    ```

    ## Instead

    Repair the row, or write `on_bad_row: drop` in the data set to leave such rows out.

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: {path: data/chat.jsonl, on_bad_row: drop}}
    algorithm: sft
    output_dir: runs/chat
    ```
    """,
)

NO_ROWS = Code(
    id="RR406",
    name="no-rows",
    page="""
    ## What it means

    A data set has no rows at all.

    ## Why it matters

    There is nothing to train or to evaluate on. Often the file was created by a program
    that then failed, or a filter left nothing over.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: {path: data/chat.jsonl, format: messages}}
    algorithm: sft
    output_dir: runs/chat
    ```

    ```jsonl data/chat.jsonl
    ```

    ## Instead

    Write the file again, or name another one.

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/chat
    ```

    ```jsonl data/chat.jsonl
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    ```
    """,
)

CODES = (
    DATA_NOT_FOUND,
    MALFORMED_ROW,
    TRUNCATED_FILE,
    MISSING_COLUMN,
    ROW_DOES_NOT_FIT,
    NO_ROWS,
)
