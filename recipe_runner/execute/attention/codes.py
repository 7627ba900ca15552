"""What only the loaded model can say about rows that share a sequence."""

from __future__ import annotations

from recipe_runner.diagnostics import Code

MODEL_CANNOT_PACK = Code(
    id="RR446",
    name="model-cannot-pack",
    page="""
    ## What it means

    Rows are packed, or joined without padding, and the model that was loaded cannot keep the
    documents of a sequence apart, or not with the attention of the plan.

    ## Why it matters

    A document would see the one before it in its sequence, and train on what it will never
    have when the model is used. The run ends before its first step.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-with-recurrent-layers
    data: {train: data/chat.jsonl, packing: bfd}
    algorithm: sft
    output_dir: runs/chat
    ```

    ## Instead

    Remove `data.packing` and `algorithm.padding_free`, or set the attention that the message
    names.
    `training.train_sampling_strategy: group_by_length` saves most of the padding.
    """,
)

CODES = (MODEL_CANNOT_PACK,)
