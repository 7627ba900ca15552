"""What only the loaded model can say about levers that a recipe requires."""

from __future__ import annotations

from recipe_runner.diagnostics import Code

LEVER_REFUSED = Code(
    "RR724",
    "required-lever-not-used",
    """
    ## What it means
    The recipe requires a lever of `speed`, and the model that was loaded cannot be trained with it.

    ## Why it matters
    `require` says that the run is not worth its time without it. Of a model that is known by its
    id only, the plan cannot tell.

    ## Example
    ```text
    recipe.yaml: RR724 required-lever-not-used: `speed.padding_free` is required, and cannot be used: ...
    ```

    ## Instead
    Set the lever to `auto`, which goes on without it and says so.
    """,
)

CODES = (LEVER_REFUSED,)
