"""What can be wrong with an adapter that was trained before (RR722 and RR723)."""

from __future__ import annotations

from recipe_runner.diagnostics import Code

ADAPTER_DOES_NOT_FIT = Code(
    "RR722",
    "adapter-does-not-fit",
    """
    ## What it means
    A trained adapter has weights for layers that the model does not have, lacks some, or has
    them in other sizes.

    ## Why it matters
    PEFT leaves out what finds no place, and starts the rest at random: the run would train
    something else than the recipe says.

    ## Example
    ```text
    recipe.yaml: RR722 adapter-does-not-fit: the adapter in runs/a/model does not fit org/model-id:
    the model has no place for model.layers.2.self_attn.q_proj.lora_A.weight
    ```

    ## Instead
    Name the model that the adapter was trained on, with the tokens that its run added.
    """,
)

ADAPTERS_NOT_JOINED = Code(
    "RR723",
    "adapters-not-joined",
    """
    ## What it means
    An adapter stays beneath the one that trains (`model.adapter.merge: false`), and one of
    them is on a layer that is not linear, such as the embeddings.

    ## Why it matters
    Both are saved as one LoRA, so that the plain base is all that is needed to use it. On
    other layers than linear ones that cannot be written down.

    ## Example
    ```text
    recipe.yaml: RR723 adapters-not-joined: model.embed_tokens is no linear layer,
    and two adapters on such a layer are not saved as one
    ```

    ## Instead
    Leave the layer out of the new adapter, or merge the old one into the base: `merge: true`.
    """,
)

STACKED: tuple[Code, ...] = (ADAPTER_DOES_NOT_FIT, ADAPTERS_NOT_JOINED)
