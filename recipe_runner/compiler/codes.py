"""Codes of resolution: what cannot be decided from the data, the model and the machine."""

from recipe_runner.diagnostics import Code

FORMAT_NOT_RECOGNISED = Code(
    "RR407",
    "format-not-recognised",
    """
    ## What it means

    `format: auto` looks at the columns of the first row, and no format fits them, or the rows
    cannot be read before the run: those on a hub, and tables where pyarrow is not installed.

    ## Why it matters

    A guess would train on the wrong column without a word.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/notes.jsonl}  # <- RR407
    algorithm: sft
    output_dir: runs/x
    ```

    ```jsonl data/notes.jsonl
    {"body": "Rain in the morning."}
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: {path: data/notes.jsonl, format: {type: text, text_column: body}}}
    algorithm: sft
    output_dir: runs/x
    ```

    ```jsonl data/notes.jsonl
    {"body": "Rain in the morning."}
    ```
    """,
)
ALGORITHM_DATA_MISMATCH = Code(
    "RR408",
    "algorithm-data-mismatch",
    """
    ## What it means

    The examples of a data set have a shape that the algorithm cannot learn from: preference
    pairs given to supervised fine-tuning, or conversations given to preference learning.

    ## Why it matters

    Upstream either fails after the model was loaded, or uses a column that happens to fit.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/pairs.jsonl}  # <- RR408
    algorithm: sft
    output_dir: runs/x
    ```

    ```jsonl data/pairs.jsonl
    {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}
    ```

    ## Instead

    Choose the algorithm that fits the data, or train on the chosen answers alone:

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data:
      train: {path: data/pairs.jsonl, columns: {completion: chosen}, format: prompt_completion}
    algorithm: sft
    output_dir: runs/x
    ```

    ```jsonl data/pairs.jsonl
    {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}
    ```
    """,
)
NO_COMPLETION = Code(
    "RR409",
    "loss-on-does-not-fit",
    """
    ## What it means

    `data.loss_on` names a part that the examples do not have: plain text has no assistant's
    turns, and a conversation has no completion of its own.

    ## Why it matters

    No token would train, or all of them.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, loss_on: completion}  # <- RR409
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, loss_on: last_assistant}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)
UNKNOWN_MACHINE = Code(
    "RR415",
    "unknown-machine",
    """
    ## What it means

    `--machine` is neither the name of a machine nor a file.

    ## Why it matters

    The plan depends on the number of devices, their memory and what they compute in.

    ## Example

    ```text
    --machine:1:1: RR415 unknown-machine: `eight H100` is not the name of a machine
    ```

    ## Instead

    Write `8xH100-80GB`, `A100-40GB` or `cpu`, or the path of a machine file.
    """,
)
MALFORMED_MACHINE = Code(
    "RR417",
    "malformed-machine-file",
    """
    ## What it means

    A file that describes a machine has a key or a value that does not belong there, or lacks one.

    ## Why it matters

    Time, energy and price in a plan are computed from it.

    ## Example

    ```text
    machine.yaml:9:8: RR417 malformed-machine-file: `watts` is a number above 0
    ```

    ## Instead

    Let `recipe-run calibrate` write the file, and add `watts`, `price_per_hour` and `currency` as numbers and a text:

    ```text
    watts: 350
    price_per_hour: 2.5
    currency: EUR
    ```
    """,
)

CODES = (
    FORMAT_NOT_RECOGNISED,
    ALGORITHM_DATA_MISMATCH,
    NO_COMPLETION,
    UNKNOWN_MACHINE,
    MALFORMED_MACHINE,
)
