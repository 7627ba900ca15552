"""Codes of what a recipe names and the machine does not have."""

from recipe_runner.diagnostics import Code

MODEL_NOT_FOUND = Code(
    "RR411",
    "model-not-found",
    """
    ## What it means

    The model, or the tokenizer, is written as a folder, and there is no such folder.

    ## Why it matters

    Upstream takes a folder that does not exist for a hub id, and reports a download error
    that hides the slip.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: ./models/chat  # <- RR411
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)
ADAPTER_NOT_FOUND = Code(
    "RR392",
    "adapter-not-found",
    """
    ## What it means

    A trained adapter is asked for, and the folder is not there or holds none; or an adapter
    stands where a whole model is asked for.

    ## Why it matters

    An adapter is a change of a model, and no model. transformers takes one for the other
    without a word: it loads the base that the adapter's configuration names, from wherever
    that is.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: runs/a  # <- RR392
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ```json runs/a/model/adapter_config.json
    {"peft_type": "LORA", "base_model_name_or_path": "org/model-id", "r": 16}
    ```

    ```text runs/a/model/adapter_model.safetensors
    ```

    ## Instead

    Name the base, and say what is to become of the adapter: `model.adapter` makes it part of
    the base, `adapter: {type: continued}` trains it further.

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: org/model-id, adapter: runs/a}
    adapter: lora
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)
CODE_NOT_FOUND = Code(
    "RR416",
    "code-not-found",
    """
    ## What it means

    The recipe names a Python file of your own, and the file is not there, is no Python, has
    more than 1 MiB, or does not define, assign or import the function.

    ## Why it matters

    The file would be imported when the model has been loaded, and the run would end there.
    It is looked at now, without running a line of it.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/questions.jsonl}
    algorithm: grpo
    rewards: {type: python, path: judge.py, function: politeness}  # <- RR416
    output_dir: runs/x
    ```

    ```jsonl data/questions.jsonl
    {"prompt": "2 + 2 ="}
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/questions.jsonl}
    algorithm: grpo
    rewards: length
    output_dir: runs/x
    ```

    ```jsonl data/questions.jsonl
    {"prompt": "2 + 2 ="}
    ```
    """,
)
TEMPLATE_NOT_FOUND = Code(
    "RR412",
    "chat-template-not-found",
    """
    ## What it means

    The chat template is a file that is not there, or a name that is not shipped.

    ## Why it matters

    The template decides every token of a conversation, in training and when serving.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    tokenizer: {chat_template: chatmll}  # <- RR412
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    tokenizer: {chat_template: chatml}
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)
OUTPUT_NOT_WRITABLE = Code(
    "RR413",
    "output-not-writable",
    """
    ## What it means

    The output directory, or the nearest folder above it that exists, cannot be written to.

    ## Why it matters

    The run would fail when it writes its first file, after everything was loaded.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: data/chat.jsonl  # <- RR413
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)
OUTPUT_DISK_FULL = Code(
    "RR414",
    "output-disk-full",
    """
    ## What it means

    The disk of the output directory has less than 64 MiB left.

    ## Why it matters

    The first checkpoint would fail in the middle of writing.

    ## Example

    ```text
    recipe.yaml:5:13: RR414 output-disk-full: `output_dir` is runs/x, but its disk has 0.9 MiB left
    ```

    ## Instead

    Choose a folder on a disk with room, or lower `training.save_total_limit`.
    """,
)
ADDRESS_NOT_USABLE = Code(
    "RR437",
    "address-not-usable",
    """
    ## What it means

    A data set is named by an address that files cannot be fetched from: its scheme is
    unknown, or it is plain HTTP to another machine.

    ## Why it matters

    Over plain HTTP anybody on the way can read and change the rows that the model learns
    from. It is allowed for this machine itself, `http://localhost`.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: {path: "http://example.com/chat.jsonl", format: messages}}  # <- RR437
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: {path: "https://example.com/chat.jsonl", format: messages}}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)
SECRET_IN_RECIPE = Code(
    "RR438",
    "secret-in-recipe",
    """
    ## What it means

    The address of a data set carries a password, a token or a signature.

    ## Why it matters

    Recipes are committed, shared and copied into every run directory, and so is whatever
    they hold.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data:
      train:
        path: "postgresql://ada:lovelace@db/rows"  # <- RR438
        source: {type: sql, query: SELECT prompt FROM pairs}
        format: text
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    Name an environment variable that holds the address.
    Stores of files read their keys from the environment on their own.

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data:
      train:
        path: env:ROWS_DATABASE
        source: {type: sql, query: SELECT prompt FROM pairs}
        format: text
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

GOLDEN_UNREADABLE = Code(
    "RR454",
    "golden-unreadable",
    """
    ## What it means

    The file of golden rows beside the recipe is not what `recipe-run preview --golden`
    writes: it was edited, or a merge left its marks in it.

    ## Why it matters

    It is there to be compared with, and cannot be.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ```json recipe.golden.json
    <<<<<<< HEAD
    ```

    ## Instead

    Take it from version control again, or remove it and write it with
    `recipe-run preview recipe.yaml --golden`.

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ```json recipe.golden.json
    {"version": 1, "made_with": {}, "depends_on": {}, "rows": []}
    ```
    """,
)

CODES = (
    ADAPTER_NOT_FOUND,
    CODE_NOT_FOUND,
    MODEL_NOT_FOUND,
    TEMPLATE_NOT_FOUND,
    OUTPUT_NOT_WRITABLE,
    OUTPUT_DISK_FULL,
    ADDRESS_NOT_USABLE,
    SECRET_IN_RECIPE,
    GOLDEN_UNREADABLE,
)
