"""What stands in the way of a merge (RR731 to RR736)."""

from __future__ import annotations

from recipe_runner.diagnostics import Code

MERGE_DIFFERS = Code(
    "RR731",
    "merge-differs",
    """
    ## What it means
    The merged model was read back, and it answers otherwise than the base with the adapter:
    their logits on sample prompts are further apart than rounding explains, or a weight is
    no finite number.

    ## Why it matters
    A model like that would be used in good faith. Nothing was kept of it.

    ## Example
    ```text
    runs/chat: RR731 merge-differs: merged in float16, the model is not what was trained: its logits differ by up to 7.3
    ```

    ## Instead
    Merge with `--dtype float32`, or in the type that the run loaded its base in: float16 has no
    numbers above 65,504 and few below 1e-4. Where it happens in that type too, it is a bug of ours
    or of PEFT; report it with the run's `plan.json`.
    """,
)

NOT_MERGEABLE = Code(
    "RR732",
    "not-mergeable",
    """
    ## What it means
    The adapter is of a kind that cannot become part of the base's weights.

    ## Why it matters
    Merging adds what was trained to the weights that are there. Prompts, layers beside the
    base's own, and what acts only on some tokens have no place there.

    ## Example
    ```text
    run: RR732 not-mergeable: the adapter is lora, which does not merge: replicated layers share the weights of the base
    ```

    ## Instead
    Use base and adapter together, as `recipe-run chat` and plain PEFT do, or train with a method
    that merges, such as `lora`.
    """,
)

ANOTHER_BASE = Code(
    "RR733",
    "adapter-of-another-base",
    """
    ## What it means
    The adapter does not belong to the base that it would be merged into.

    ## Why it matters
    An adapter is a difference to one set of weights. On other weights it means nothing, even
    where its sizes fit.

    ## Example
    ```text
    runs/chat: RR733 adapter-of-another-base: the adapter was trained on org/model-a, and the plan names org/model-b
    ```

    ## Instead
    Merge in the run directory that the adapter came from. Where the base has only moved, name
    its folder with `--base`.
    """,
)

QUANTIZED_BASE = Code(
    "RR734",
    "quantized-base",
    """
    ## What it means
    The checkpoint of the base is quantized itself, and `--dequantize` was not given.

    ## Why it matters
    Weights of a few bits cannot take up what an adapter trained. They have to be turned into
    numbers of 16 bits or more first, which makes the model two to four times as large.

    ## Example
    ```text
    runs/chat: RR734 quantized-base: org/model-4bit is quantized with bitsandbytes, and no adapter merges into that
    ```

    ## Instead
    Add `--dequantize`, or name the checkpoint that the quantized one was made of with `--base`.
    """,
)

MERGE_EXISTS = Code(
    "RR735",
    "merge-exists",
    """
    ## What it means
    The folder that the merged model would be written to has something in it.

    ## Why it matters
    A merge replaces its folder as a whole, so that no file of an older one stays behind.

    ## Example
    ```text
    runs/chat/merged: RR735 merge-exists: runs/chat/merged holds a merged model of 2026-05-12T09:30:00+00:00
    ```

    ## Instead
    Add `--overwrite` where the folder holds a merged model, or name another one with `--out`.
    A folder with anything else in it is never replaced.
    """,
)

NOTHING_TO_MERGE = Code(
    "RR736",
    "nothing-to-merge",
    """
    ## What it means
    The run trained the model's own weights, and no adapter.

    ## Why it matters
    What it saved is a whole model: there is nothing to merge.

    ## Example
    ```text
    runs/chat: RR736 nothing-to-merge: the run trained its model's own weights, and runs/chat/model is the whole model
    ```

    ## Instead
    Use the run's `model` folder as it is.
    """,
)

MERGES: tuple[Code, ...] = (
    MERGE_DIFFERS,
    NOT_MERGEABLE,
    ANOTHER_BASE,
    QUANTIZED_BASE,
    MERGE_EXISTS,
    NOTHING_TO_MERGE,
)
