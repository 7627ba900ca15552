"""What can be wrong with rows once they are conversations and tokens."""

from recipe_runner.diagnostics import Code

NO_TRAINED_TOKEN = Code(
    id="RR420",
    name="no-trained-token",
    page="""
    ## What it means

    A row has no token that the loss is taken on.
    Its conversation has no turn of the assistant, or `max_length` cuts off everything that
    would be trained on.

    ## Why it matters

    Such a row costs a forward and a backward pass and teaches nothing. Many of them mean
    that `max_length` is too small or that the roles are not the expected ones.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/chat
    ```

    ```jsonl data/chat.jsonl
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    {"messages": [{"role": "user", "content": "Is anybody there?"}]}
    ```

    ## Instead

    Repair the row, raise `data.max_length`, or write `on_bad_row: drop` in the data set to
    leave such rows out. `data.truncation_mode: keep_end` keeps the end of long rows.

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: {path: data/chat.jsonl, on_bad_row: drop}}
    algorithm: sft
    output_dir: runs/chat
    ```
    """,
)

NOTHING_TO_TRAIN = Code(
    id="RR421",
    name="nothing-to-train",
    page="""
    ## What it means

    Not one row of a data set has a token that the loss is taken on.

    ## Why it matters

    The run would train on nothing: a loss of zero or not a number, and an unchanged model.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/chat
    ```

    ```jsonl data/chat.jsonl
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "tool", "content": "Hello"}]}
    {"messages": [{"role": "user", "content": "Bye"}, {"role": "tool", "content": "See you"}]}
    ```

    ## Instead

    Give the role that is to be learned its name with the format's `roles`, or choose another
    `data.loss_on`, or raise `data.max_length` where it cuts every answer off.

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: data/chat.jsonl, loss_on: {roles: [tool]}}
    algorithm: sft
    output_dir: runs/chat
    ```
    """,
)

ROW_OVER_LENGTH = Code(
    id="RR422",
    name="row-over-length",
    page="""
    ## What it means

    A row has more tokens than `data.max_length`, and the recipe says `overlong: error`.

    ## Why it matters

    The recipe asks that no row be cut or left out. `on_bad_row: drop` does not weaken that.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: data/chat.jsonl, max_length: 8, overlong: error}
    algorithm: sft
    output_dir: runs/chat
    ```

    ```jsonl data/chat.jsonl
    {"messages": [{"role": "user", "content": "Count."}, {"role": "assistant", "content": "One, two"}]}
    ```

    ## Instead

    Raise `data.max_length`, or choose `overlong: truncate` or `overlong: drop`; both are
    counted in the run's report.
    """,
)

MASK_UNKNOWN = Code(
    id="RR423",
    name="mask-unknown",
    page="""
    ## What it means

    It cannot be told which tokens of a conversation the assistant wrote.
    The chat template has no `{% generation %}` markers, and it renders this conversation in
    a way from which the turns cannot be read back with certainty.

    ## Why it matters

    A wrong mask trains the model on the user's words or skips the assistant's, and no
    number during training shows it. So there is no guess.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-whose-template-rewrites-turns
    data: {train: data/chat.jsonl, loss_on: assistant}
    algorithm: sft
    output_dir: runs/chat
    ```

    ## Instead

    Name a chat template with `{% generation %}` markers in `tokenizer.chat_template`, or
    train on the whole conversation with `data.loss_on: all`.
    """,
)

CHAT_TEMPLATE_REFUSED = Code(
    id="RR424",
    name="chat-template-refused",
    page="""
    ## What it means

    The chat template raises an error on a row.
    Templates do that for conversations that their model was not made for: two turns of the
    user in a row, a system turn, a role that they do not know.

    ## Why it matters

    The template is what the model sees at inference. A row that it refuses has no form in
    which the model would ever meet it.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-that-wants-turns-to-alternate
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/chat
    ```

    ```jsonl data/chat.jsonl
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "user", "content": "Are you there?"}]}
    ```

    ## Instead

    Repair the row, choose another `tokenizer.chat_template`, or write `on_bad_row: drop`
    in the data set to leave such rows out.
    """,
)

NO_CHAT_TEMPLATE = Code(
    id="RR425",
    name="no-chat-template",
    page="""
    ## What it means

    The data are conversations, and neither the tokenizer nor the recipe has a chat template.

    ## Why it matters

    Base models often come without one. Without a template there is no one way to write a
    conversation as text, and the one used in training must be used at inference too.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/base-model
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/chat
    ```

    ## Instead

    Name one with `tokenizer.chat_template`: a shipped name such as `chatml`, or a file.
    """,
)

NO_ROWS_LEFT = Code(
    id="RR427",
    name="no-rows-left",
    page="""
    ## What it means

    A data set has rows, and none is left to use after bad or overlong rows are left out, or
    after rows are held out for evaluation.

    ## Why it matters

    Leaving out everything is never what `on_bad_row: drop` or `overlong: drop` was meant
    for: most likely the format or a length is wrong.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: data/chat.jsonl, max_length: 4, overlong: drop}
    algorithm: sft
    output_dir: runs/chat
    ```

    ```jsonl data/chat.jsonl
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    ```

    ## Instead

    The message counts the rows by reason; correct the most frequent one first.
    """,
)

CONSECUTIVE_ASSISTANT = Code(
    id="RR440",
    name="consecutive-assistant",
    page="""
    ## What it means

    A conversation has two turns of the assistant in a row, without a tool call or the answer
    of a tool between them.

    ## Why it matters

    Nobody asked for the second turn: at inference the model ends its turn after the first.
    Often two messages were cut apart, or a turn of the user was lost.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/chat
    ```

    ```jsonl data/chat.jsonl
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    {"messages": [{"role": "assistant", "content": "Yes"}, {"role": "assistant", "content": "No"}]}
    ```

    ## Instead

    Join the two turns, or restore what was between them. `keep` trains on both as they are
    and counts such rows in the run's report; `drop` leaves them out.

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: {path: data/chat.jsonl, on_bad_row: {consecutive_assistant: keep}}}
    algorithm: sft
    output_dir: runs/chat
    ```
    """,
)

UNKNOWN_ROLE = Code(
    id="RR441",
    name="unknown-role",
    page="""
    ## What it means

    A conversation has a role that neither the format nor its `roles` know.

    ## Why it matters

    Roles decide which turns train. A guess would train on the wrong words, or skip the right
    ones.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/chat
    ```

    ```jsonl data/chat.jsonl
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    {"messages": [{"role": "user", "content": "Hm"}, {"role": "oracle", "content": "Yes"}]}
    ```

    ## Instead

    Name the role in the format: `format: {type: messages, roles: {oracle: assistant}}`.
    `on_bad_row: {unknown_role: drop}` in the data set leaves such rows out.

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: {path: data/chat.jsonl, on_bad_row: {unknown_role: drop}}}
    algorithm: sft
    output_dir: runs/chat
    ```
    """,
)

EMPTY_COMPLETION = Code(
    id="RR442",
    name="empty-completion",
    page="""
    ## What it means

    A row has an empty completion, or a conversation of which every turn that trains is empty.

    ## Why it matters

    Such a row teaches the model to say nothing and to end its turn at once.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/chat
    ```

    ```jsonl data/chat.jsonl
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    {"messages": [{"role": "user", "content": "Hm"}, {"role": "assistant", "content": ""}]}
    ```

    ## Instead

    Write the answer. `on_bad_row: {empty_completion: drop}` in the data set leaves such rows
    out.

    ```yaml recipe.yaml
    recipe: 1
    model: Qwen/Qwen3-0.6B
    data: {train: {path: data/chat.jsonl, on_bad_row: {empty_completion: drop}}}
    algorithm: sft
    output_dir: runs/chat
    ```
    """,
)

CODES = (
    NO_TRAINED_TOKEN,
    NOTHING_TO_TRAIN,
    ROW_OVER_LENGTH,
    MASK_UNKNOWN,
    CHAT_TEMPLATE_REFUSED,
    NO_CHAT_TEMPLATE,
    NO_ROWS_LEFT,
    CONSECUTIVE_ASSISTANT,
    UNKNOWN_ROLE,
    EMPTY_COMPLETION,
)
