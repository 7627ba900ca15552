"""What can be wrong with a compressed file as a whole."""

from __future__ import annotations

from recipe_runner.diagnostics import Code

ARCHIVE_DAMAGED = Code(
    id="RR435",
    name="archive-damaged",
    page="""
    ## What it means

    A compressed data file cannot be unpacked: it is damaged, or it is not of the kind that
    its ending says.

    ## Why it matters

    Rows after the damage cannot be told apart, so `on_bad_row: drop` cannot help.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: {path: data/chat.jsonl.gz, format: messages}}
    algorithm: sft
    output_dir: runs/chat
    ```

    ```text data/chat.jsonl.gz
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    ```

    ## Instead

    Fetch or write the file again, or give it the ending of its real kind.

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

ARCHIVE_PACKAGE_MISSING = Code(
    id="RR436",
    name="data-package-missing",
    page="""
    ## What it means

    A data set can only be read with a package that is not installed: `zstandard` for files
    that end in `.zst`, `s3fs`, `gcsfs`, `adlfs` or `aiohttp` for files elsewhere, SQLAlchemy
    for databases other than SQLite.

    ## Why it matters

    Such packages are large or rarely needed, so they are not installed with the others.

    ## Example

    ```text
    data/chat.jsonl.zst: RR436 data-package-missing: `chat.jsonl.zst` is compressed with ...
    help: pip install zstandard, or compress the file with gzip
    ```

    ## Instead

    Install the package that is named, or bring the data into a form that needs none.
    """,
)

CODES = (ARCHIVE_DAMAGED, ARCHIVE_PACKAGE_MISSING)
