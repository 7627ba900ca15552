"""What a chat template can do to rows without a word."""

from recipe_runner.diagnostics import Code

NOT_RENDERED = Code(
    id="RR443",
    name="not-rendered",
    page="""
    ## What it means

    A conversation calls a tool, brings tools along, or ends with an answer that has a
    thought, and the chat template writes nothing of it.

    ## Why it matters

    The model would learn to end its turn where the data call a tool, to answer without the
    thought, or to call tools that it was never shown. The loss falls all the same.

    ## Example

    ```text
    chat.jsonl:4:1: RR443 not-rendered: line 4 of `chat.jsonl` calls the tool `search` in message 2,
    of which the chat template writes nothing
    ```

    ## Instead

    Choose a `tokenizer.chat_template` that writes calls, tools and thoughts; look at the
    result with `recipe-run preview`. `on_bad_row: {not_rendered: keep}` trains on what the
    template writes, and `drop` leaves such rows out. Thoughts alone are left out of the
    examples with `reasoning_keys: []` in the format.
    """,
)

CODES = (NOT_RENDERED,)
