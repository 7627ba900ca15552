"""Codes of what is compared before a training: golden rows, and training with serving."""

from __future__ import annotations

from recipe_runner.diagnostics import Code

GOLDEN_DIFFERS = Code(
    id="RR451",
    name="golden-differs",
    page="""
    ## What it means

    A golden row, which somebody looked at and committed with the recipe, becomes other tokens
    now, or other tokens of it train. The message shows the first difference.

    ## Why it matters

    What the model learns is decided here, and no loss curve shows it. A template that was
    edited, a tokenizer of another revision or a new version of a library can do it.

    ## Example

    ```text
    recipe.golden.json:1:1: RR451 golden-differs: row 1 of `data/chat.jsonl` has another text:
      after "<|im_end|>\\n" came "<|im_start|>assistant\\n", and comes "<|assistant|>\\n"; since
      then the chat template is another one
    ```

    ## Instead

    Look at all differences with `recipe-run preview recipe.yaml --golden --diff`. Where they
    are meant, write the rows again with `recipe-run preview recipe.yaml --golden` and commit
    them; the review then shows what changed. A recipe whose golden file is removed is not
    compared.
    """,
)

TEMPLATE_PARITY = Code(
    id="RR452",
    name="template-parity",
    severity="warning",
    page="""
    ## What it means

    The model is trained on other tokens than those it will be asked with. Two things are
    compared with the tokens of training, for a few rows of each data set of conversations:

    - what the tokenizer makes of the conversation after it was saved and loaded again; a
      difference there is an error;
    - what a server makes of the messages before the last answer, with the generation prompt
      behind them: the trained conversation has to begin with that. A difference there is a
      warning, because some templates mean it (a generation prompt that opens a thought).

    ## Why it matters

    A model that is asked in a form that it was not trained on answers worse, and nothing
    says why.

    ## Example

    ```text
    recipe.yaml:1:1: RR452 template-parity: what a server asks is not how the trained
      conversation begins, in 16 of 16 rows of `data/chat.jsonl`: in row 1, after
      "<|im_start|>assistant\\n", from token 12 on, training has "Hello there" (token 9707) and
      the prompt of a server has "<think>\\n" (token 151667)
    ```

    ## Instead

    Train with the template that the model is served with. Where `chat_template_kwargs` decide
    about it, such as `enable_thinking: false`, give them in the recipe and to the server:

    ```yaml
    tokenizer:
      chat_template_kwargs: {enable_thinking: false}
    ```

    `recipe-run preview` shows the tokens that train.
    """,
)

TURN_END_NOT_TRAINED = Code(
    id="RR453",
    name="turn-end-not-trained",
    severity="warning",
    page="""
    ## What it means

    The answers that train do not end with a token at which the model stops when it is asked:
    the end-of-sequence token of the tokenizer, or one of the generation configuration.

    ## Why it matters

    The model never learns to stop. It answers, and goes on with a question of its own until
    the limit of the server.

    ## Example

    ```text
    recipe.yaml:1:1: RR453 turn-end-not-trained: in 16 of 16 rows of `data/chat.jsonl` the
      trained answer ends with "<|im_end|>" (token 4), and the model stops at "<|endoftext|>"
      (token 0)
    ```

    ## Instead

    Name the token that ends a turn in the template as the end-of-sequence token:

    ```yaml
    tokenizer:
      chat_template: chatml
      special_tokens: {eos_token: "<|im_end|>"}
    ```
    """,
)

CODES = (GOLDEN_DIFFERS, TEMPLATE_PARITY, TURN_END_NOT_TRAINED)
