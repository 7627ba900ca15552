"""What only the real preparation of data can find: faults of reading and of the cache."""

from __future__ import annotations

from recipe_runner.diagnostics import Code

HUB_DATASET_UNREACHABLE = Code(
    id="RR426",
    name="hub-dataset-unreachable",
    page="""
    ## What it means

    A data set of the hub cannot be fetched.
    There is no connection, no data set of this id and revision, or no permission to read it.

    ## Why it matters

    The run has no rows. Where the data set was fetched before at the same revision, no
    connection is needed.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: {path: org/no-such-dataset, format: messages}}
    algorithm: sft
    output_dir: runs/chat
    ```

    ## Instead

    Check the id and `revision`, log in with `hf auth login` where the data set is private
    or gated, or fetch it elsewhere and name the local files.
    """,
)

DATA_UNREADABLE = Code(
    id="RR428",
    name="data-unreadable",
    page="""
    ## What it means

    A data file or data set exists and cannot be read as a whole.
    It is damaged, of another kind than its ending says, not permitted, or it was changed
    while it was read.

    ## Why it matters

    There is no row to point at, so `on_bad_row: drop` cannot help.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: {path: data/chat.parquet, format: messages}}
    algorithm: sft
    output_dir: runs/chat
    ```

    ```text data/chat.parquet
    this is not a Parquet file
    ```

    ## Instead

    Write or fetch the file again, give it the ending of its real kind, and look at its
    permissions.
    """,
)

PREPARATION_KILLED = Code(
    id="RR429",
    name="preparation-killed",
    page="""
    ## What it means

    One of the processes that prepare the data was killed from outside.

    ## Why it matters

    Most often the machine or the container ran out of memory, and the system chose this
    process. Nothing half-done is kept.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: data/rows-of-a-hundred-megabytes.jsonl, num_proc: 64}
    algorithm: sft
    output_dir: runs/chat
    ```

    ## Instead

    Use fewer processes with `data.num_proc`, give the container more memory, or split very
    long rows.
    """,
)

CACHE_UNUSABLE = Code(
    id="RR430",
    name="cache-unusable",
    page="""
    ## What it means

    Prepared data cannot be written to the cache: the disk is full, or the folder cannot be
    created or written.

    ## Why it matters

    Training reads prepared rows from the cache, mapped into memory. Nothing half-written is
    ever used.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: data/larger-than-the-disk.jsonl}
    algorithm: sft
    output_dir: runs/chat
    ```

    ## Instead

    Free space, or name another folder with the environment variable `RECIPE_RUNNER_CACHE`.
    Prepared data take 8 bytes per token. Every folder in `prepared` there can be removed.
    """,
)

CHAT_TEMPLATE_BROKEN = Code(
    id="RR431",
    name="chat-template-broken",
    page="""
    ## What it means

    The chat template cannot be read as Jinja: a block that is not closed, a stray brace.

    ## Why it matters

    Every row would be refused for the same reason, which has nothing to do with the rows.

    ## Example

    ```text
    chat.jinja:1:1: RR431 chat-template-broken: the chat template (chat.jinja) is no Jinja, in its line 1: ...
    ```

    ## Instead

    Repair the template at the line that is named, or name another one with
    `tokenizer.chat_template`.
    """,
)

LEAKAGE = Code(
    id="RR460",
    name="leakage",
    severity="warning",
    page="""
    ## What it means

    Rows that the run evaluates on are training rows as well: the same example, or, with
    `data.deduplicate: near`, nearly the same.

    ## Why it matters

    The model has seen the answers. Its evaluation loss and scores are better than they will
    be on anything else, and the best checkpoint may be the one that learned them by heart.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: data/chat.jsonl, eval: data/eval.jsonl}
    algorithm: sft
    output_dir: runs/chat
    ```

    ```jsonl data/chat.jsonl
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    {"messages": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]}
    ```

    ```jsonl data/eval.jsonl
    {"messages": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]}
    ```

    ## Instead

    Train without these rows; they are counted and named.

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: data/chat.jsonl, eval: data/eval.jsonl, leakage: drop}
    algorithm: sft
    output_dir: runs/chat
    ```

    `leakage: error` stops before training, and `ignore` says nothing. Rows that
    `data.eval: {split: ...}` takes out of the training rows never leak: copies of a row
    stay on one side.
    """,
)

LEAKAGE_REFUSED = Code(
    id="RR461",
    name="leakage-refused",
    page="""
    ## What it means

    Rows that the run evaluates on are training rows as well, and the recipe says
    `data.leakage: error`.

    ## Why it matters

    The model would be measured on what it has seen.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: data/chat.jsonl, eval: data/eval.jsonl, leakage: error}
    algorithm: sft
    output_dir: runs/chat
    ```

    ```jsonl data/chat.jsonl
    {"messages": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]}
    ```

    ```jsonl data/eval.jsonl
    {"messages": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]}
    ```

    ## Instead

    Remove the rows that are named from one of the two files, or write `leakage: drop` to
    train without them.
    """,
)

SOURCE_UNREACHABLE = Code(
    id="RR439",
    name="source-unreachable",
    page="""
    ## What it means

    A file elsewhere cannot be fetched, or a database does not give the rows of a query.
    There is no such file or table, no connection, or no permission.

    ## Why it matters

    The run has no rows. A file that was fetched before is used again where there is no
    connection.

    ## Example

    ```text
    recipe.yaml: RR439 source-unreachable: `s3://bucket/chat.jsonl` cannot be fetched: Unable to locate credentials
    ```

    ## Instead

    Check the address, the connection and the keys in the environment, or fetch the file once
    and name the local copy.
    """,
)

CACHE_DAMAGED = Code(
    id="RR455",
    name="cache-damaged",
    page="""
    ## What it means

    A file of prepared data in the cache is no longer what was written: a disk, a copy or a
    program changed it.

    ## Why it matters

    Training on it would crash, or learn from rows that nobody wrote.

    ## Example

    ```text
    prepared/4f0c...: RR455 cache-damaged: the prepared data are damaged: tokens-0.arrow has 999 rows, was 1,000
    ```

    ## Instead

    `recipe-run cache verify --repair` compares every file with the hash that was taken when
    it was written, and removes the entries that differ; the next run prepares them again.
    """,
)

CODES = (
    SOURCE_UNREACHABLE,
    HUB_DATASET_UNREACHABLE,
    DATA_UNREADABLE,
    PREPARATION_KILLED,
    CACHE_UNUSABLE,
    CHAT_TEMPLATE_BROKEN,
    CACHE_DAMAGED,
    LEAKAGE,
    LEAKAGE_REFUSED,
)
