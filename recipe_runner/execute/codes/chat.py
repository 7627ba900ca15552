"""What stands in the way of asking a run something (RR628 to RR632)."""

from __future__ import annotations

from recipe_runner.diagnostics import Code

BASE_GONE = Code(
    "RR628",
    "base-gone",
    """
    ## What it means
    The run trained an adapter, or is compared with its base, and the base is not where the
    run found it.

    ## Why it matters
    An adapter is the difference to one base; without that it says nothing.

    ## Example
    ```text
    runs/chat: RR628 base-gone: the run adapts the model in models/llama, and there is no such folder
    ```

    ## Instead
    Put the base back where it was. A merged model (`recipe-run merge`) needs no base.
    """,
)

OTHER_BASE = Code(
    "RR629",
    "other-base",
    """
    ## What it means
    The adapter does not fit the model that lies where its base was: other shapes, or other
    layers.

    ## Why it matters
    Upstream may leave out what does not fit, and the answers would be of a model that nobody
    trained.

    ## Example
    ```text
    runs/chat: RR629 other-base: the adapter does not fit models/llama: size mismatch for layers.0.self_attn.q_proj
    ```

    ## Instead
    Put the base back that the run was trained on; `plan.json` of the run names it.
    """,
)

PROMPT_UNREADABLE = Code(
    "RR630",
    "prompt-unreadable",
    """
    ## What it means
    A row of a file of prompts is no prompt: no JSON, without the column, without text, longer
    than the model reads, or with a turn that the chat template refuses.

    ## Why it matters
    Answers have to be in the order of their prompts, so no row may be left out in silence.
    Nothing is answered before every row is sound.

    ## Example
    ```text
    prompts.jsonl:3: RR630 prompt-unreadable: the row has neither `prompt` nor `messages`
    ```

    ## Instead
    Correct the row. `--column` names the column with the prompt. Rename columns of the names
    `answer` and `answer_base`: the answers go there.
    """,
)

CODE_NOT_ALLOWED = Code(
    "RR631",
    "code-not-allowed",
    """
    ## What it means
    The run loads Python code that comes with its model (`model.trust_remote_code`), and this
    command was not allowed to.

    ## Why it matters
    That code can do anything that you can do. Allowing it for the training did not allow it
    for ever, nor on this machine.

    ## Example
    ```text
    runs/chat: RR631 code-not-allowed: org/model comes with Python code, which this command may not run
    ```

    ## Instead
    Read the code, then give `--allow-code`.
    """,
)

NOT_SERVABLE = Code(
    "RR632",
    "not-servable",
    """
    ## What it means
    vLLM cannot put this adapter on its base: it serves plain LoRA on a base that it loads by
    its name.

    ## Why it matters
    It refuses some adapters when it starts and others when the first answer is asked for; of
    a base that the run has changed it would load the unchanged one.

    ## Example
    ```text
    runs/chat: RR632 not-servable: vLLM cannot serve this adapter: it uses DoRA
    ```

    ## Instead
    Merge it: `recipe-run merge runs/chat`, then `recipe-run chat runs/chat --merged --print-vllm`.
    """,
)

CHAT: tuple[Code, ...] = (
    BASE_GONE,
    OTHER_BASE,
    PROMPT_UNREADABLE,
    CODE_NOT_ALLOWED,
    NOT_SERVABLE,
)
