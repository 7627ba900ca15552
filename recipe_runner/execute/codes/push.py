"""What stands in the way of an upload (RR642 to RR645, RR743 to RR745)."""

from __future__ import annotations

from recipe_runner.diagnostics import Code

TOKEN_MISSING = Code(
    "RR642",
    "token-missing",
    """
    ## What it means
    An upload needs a token of the hub, and there is none in the environment.

    ## Why it matters
    The hub takes files only from somebody it knows. A token is never read from a recipe,
    and never written into a plan, a log or a card.

    ## Example
    ```text
    runs/chat: RR642 token-missing: HF_TOKEN is not set, and nobody is logged in
    ```

    ## Instead
    Make a token with write access in the settings of the hub, then set `HF_TOKEN` or run
    `hf auth login`. `recipe-run push --dry-run` needs none.
    """,
)

NOTHING_TO_PUSH = Code(
    "RR643",
    "nothing-to-push",
    """
    ## What it means
    What was asked to be uploaded is not there: an export that was not made, or one of an earlier
    model of the run, or an adapter to merge where the whole model was trained.

    ## Why it matters
    An upload takes what exists; it makes no export on the way.

    ## Example
    ```text
    runs/chat: RR643 nothing-to-push: the run has no export to gguf
    ```

    ## Instead
    Make it first: `recipe-run export runs/chat --to gguf`.
    """,
)

BASE_IS_LOCAL = Code(
    "RR644",
    "base-is-local",
    """
    ## What it means
    The adapter belongs to a base that is a folder on this machine.

    ## Why it matters
    Whoever downloads the adapter could not load it: it would look for the same folder there.

    ## Example
    ```text
    runs/chat: RR644 base-is-local: the adapter's base is a folder of this machine, models/qwen
    ```

    ## Instead
    Say where others find the same base, with `--base ORG/NAME`, or upload the whole model
    with `--merged`.
    """,
)

LOCAL_PATH = Code(
    "RR645",
    "local-path",
    """
    ## What it means
    A file that would be uploaded names a folder of this machine.

    ## Why it matters
    It tells strangers how this machine is set up, and it means nothing on theirs.

    ## Example
    ```text
    runs/chat/model/config.json: RR645 local-path: config.json names the folder /home/ada/models
    ```

    ## Instead
    Take the path out of the file, and upload again.
    """,
)

PUSH_REFUSED = Code(
    "RR743",
    "push-refused",
    """
    ## What it means
    The hub knows the token, or does not, and does not let it write there.

    ## Why it matters
    Nothing was changed in the repository.

    ## Example
    ```text
    runs/chat: RR743 push-refused: the hub refuses to write to org/chat (401): Invalid credentials
    ```

    ## Instead
    Take a token with write access, and a repository of yours or of an organization that you
    may write to. `hf auth whoami` says who the token belongs to.
    """,
)

REPOSITORY_NOT_FOUND = Code(
    "RR744",
    "repository-not-found",
    """
    ## What it means
    The hub has no such repository or revision, or hides it from this token.

    ## Why it matters
    Nothing was uploaded.

    ## Example
    ```text
    runs/chat: RR744 repository-not-found: the hub has no org/chat for this token
    ```

    ## Instead
    Correct the id, or take a token that may see the repository.
    """,
)

PUSH_FAILED = Code(
    "RR745",
    "push-failed",
    """
    ## What it means
    The upload ended before all files were in the repository.

    ## Why it matters
    A repository changes all at once, with the last request: nobody sees half a model. Files
    that arrived before are kept by the hub for the next try.

    ## Example
    ```text
    runs/chat: RR745 push-failed: the hub answers 503 to the upload to org/chat: Service Unavailable
    ```

    ## Instead
    Give the same command again; it does not send again what has arrived.
    """,
)

PUSH_BEFORE: tuple[Code, ...] = (TOKEN_MISSING, NOTHING_TO_PUSH, BASE_IS_LOCAL, LOCAL_PATH)
PUSH_DURING: tuple[Code, ...] = (PUSH_REFUSED, REPOSITORY_NOT_FOUND, PUSH_FAILED)
