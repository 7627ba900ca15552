"""What stands in the way of using what a run made (RR626 to RR630)."""

from __future__ import annotations

from recipe_runner.diagnostics import Code

NO_RUN = Code(
    "RR626",
    "no-run",
    """
    ## What it means
    A command was given a folder that is no run directory.

    ## Why it matters
    `merge`, `export`, `push`, `chat` and `generate` read the run's plan: it says which base,
    tokenizer and template the result belongs to. A folder of weights alone does not.

    ## Example
    ```text
    runs/chat/model: RR626 no-run: runs/chat/model holds no run of recipe_runner: there is no run.json of ours in it
    ```

    ## Instead
    Name the `output_dir` of the run.
    """,
)

RUN_WITHOUT_MODEL = Code(
    "RR627",
    "run-without-model",
    """
    ## What it means
    The run has not ended, so it has made no model.

    ## Why it matters
    Its checkpoints hold the state of a training, and not a result that was evaluated.

    ## Example
    ```text
    runs/chat: RR627 run-without-model: the run in runs/chat is interrupted, and it has made no whole model yet
    ```

    ## Instead
    Give the same `recipe-run train` again; it goes on from the newest checkpoint.
    """,
)

FINISHED: tuple[Code, ...] = (NO_RUN, RUN_WITHOUT_MODEL)
