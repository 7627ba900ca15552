"""What stands in the way of an export (RR640, RR641, RR737 to RR740)."""

from __future__ import annotations

from recipe_runner.diagnostics import Code

EXPORT_NEEDS_GPU = Code(
    "RR640",
    "export-needs-gpu",
    """
    ## What it means
    The form that was asked for is made by a library that needs a GPU, and this machine has none.

    ## Why it matters
    Quantizing with calibration runs the model over rows of text many times; the libraries that
    do it well have no way to do it on a CPU.

    ## Example
    ```text
    runs/chat: RR640 export-needs-gpu: --to awq needs a GPU, and this machine has none that can be seen
    ```

    ## Instead
    Export on a machine with a GPU, or to a form that a CPU can make, such as `gguf`.
    """,
)

EXPORT_EXISTS = Code(
    "RR641",
    "export-exists",
    """
    ## What it means
    The folder that the export would be written to has something in it.

    ## Why it matters
    An export replaces its folder as a whole, so that no file of an older one stays behind.

    ## Example
    ```text
    runs/chat/export/gguf: RR641 export-exists: the folder holds an export of 2026-05-12T08:30:00+00:00
    ```

    ## Instead
    Add `--overwrite` where the folder holds an export, or name another one with `--out`.
    A folder with anything else in it is never replaced.
    """,
)

ARCHITECTURE_NOT_EXPORTABLE = Code(
    "RR737",
    "architecture-not-exportable",
    """
    ## What it means
    The model is of a kind, or has a setting, that the format of the export cannot say.

    ## Why it matters
    The file would load and the model would compute something else.

    ## Example
    ```text
    runs/chat/model: RR737 architecture-not-exportable: a gpt_neox model has no known form in a GGUF file
    ```

    ## Instead
    Take one of the kinds that the message lists, another target of `recipe-run export`,
    or llama.cpp's own `convert_hf_to_gguf.py` on the run's `model` folder.
    """,
)

TOKENIZER_NOT_EXPORTABLE = Code(
    "RR738",
    "tokenizer-not-exportable",
    """
    ## What it means
    llama.cpp has the ways in which tokenizers cut a text built in, under names, and none of
    them is the way of this tokenizer.

    ## Why it matters
    Under a wrong name the model would read other tokens than it was trained on, and answer
    worse without a sign of why.

    ## Example
    ```text
    runs/x/model: RR738 tokenizer-not-exportable: the tokenizer cannot be told to llama.cpp: there is no tokenizer.json
    ```

    ## Instead
    Export to another target, or train with a tokenizer whose patterns llama.cpp knows, such as
    those of Qwen, Llama 3 or GPT-2.
    """,
)

EXPORT_DIFFERS = Code(
    "RR739",
    "export-differs",
    """
    ## What it means
    What was written was read back, and it is not the model that it was made of.

    ## Why it matters
    A file like that would be used in good faith. Nothing was kept of it.

    ## Example
    ```text
    chat-f16.gguf: RR739 export-differs: the file is not the model: blk.0.attn_q.weight is not what was written
    ```

    ## Instead
    Export again: a disk may have failed. Where it happens twice it is a bug of ours; report it
    with the model's `config.json`.
    """,
)

TOO_LARGE_FOR_TYPE = Code(
    "RR740",
    "too-large-for-type",
    """
    ## What it means
    A weight is larger than the largest number of the type that was asked for.

    ## Why it matters
    It would become infinite, and every answer with it nonsense.

    ## Example
    ```text
    runs/chat/model: RR740 too-large-for-type: layers.3.mlp.down_proj.weight is above 65,504, the largest number of f16
    ```

    ## Instead
    Export with `--type bf16` or `--type f32`.
    """,
)

EXPORTS_BEFORE: tuple[Code, ...] = (EXPORT_NEEDS_GPU, EXPORT_EXISTS)
EXPORTS_DURING: tuple[Code, ...] = (
    ARCHITECTURE_NOT_EXPORTABLE,
    TOKENIZER_NOT_EXPORTABLE,
    EXPORT_DIFFERS,
    TOO_LARGE_FOR_TYPE,
)
