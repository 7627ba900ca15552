"""What can end a run when answers are judged."""

from __future__ import annotations

from recipe_runner.diagnostics import Code

CODE_CHANGED = Code(
    "RR617",
    "code-changed",
    """
    ## What it means

    A Python file that the recipe names is not the one that was allowed, or it is gone.

    ## Why it matters

    The allowance is for what the file held when the run was started. Other content is other
    code, and a result that the plan does not explain.

    ## Example

    ```text
    recipe.yaml: RR617 code-changed: judge.py holds other code than when the run was allowed to use it
    ```

    ## Instead

    Put the file back as it was to go on with the run. Start the run again with `--allow-code` to
    allow the file as it is.
    """,
)

REWARD_FAILED = Code(
    "RR717",
    "reward-failed",
    """
    ## What it means

    A reward could not judge an answer: its function raised an error or returned something else
    than one number per answer, or the row lacks what it compares with.

    ## Why it matters

    An answer without a reward cannot be learned from, and counting it as 0 would teach the
    model something that nobody meant. The run ends, and its last checkpoint is kept.

    ## Example

    ```text
    recipe.yaml: RR717 reward-failed: reward tone failed on data/q.jsonl:12: KeyError: 'tone' (judge.py, line 7); ...
    ```

    ## Instead

    Correct the function or the row that the message names, and start the run again: with other
    rewards it is another run. Where nothing has to change, because a server did not answer,
    `--resume auto` goes on. Where an answer is to be worth nothing, let the function return 0.0.
    """,
)

REWARD_NOT_FINITE = Code(
    "RR718",
    "reward-not-finite",
    """
    ## What it means

    A reward gave NaN, an infinite number, or None for an answer.

    ## Why it matters

    The answers to a prompt are compared with their mean: one such number spoils them all, and
    the model with them. The run ends, and its last checkpoint is kept.

    ## Example

    ```text
    recipe.yaml: RR718 reward-not-finite: reward tone gave nan for the answer to data/q.jsonl:12; prompt "Hi", answer ""
    ```

    ## Instead

    Look at what is divided, and at empty answers. Where the reward has nothing to say about a
    row, let it return 0.0.
    """,
)

JUDGE_UNUSABLE = Code(
    "RR719",
    "judge-unusable",
    """
    ## What it means

    A model that a reward names cannot judge: it does not give one number, it cannot take
    conversations, or it cannot read that much text.

    ## Why it matters

    A reward is one number per answer. A head with several labels, or one that was never
    trained, gives numbers that mean something else.

    ## Example

    ```text
    recipe.yaml: RR719 judge-unusable: org/sentiment has 3 labels, and a reward model has one
    ```

    ## Instead

    Name a model that was trained as a reward model, by `algorithm: reward` or elsewhere.
    """,
)


NOTHING_TO_LEARN = Code(
    "RR721",
    "no-answer-was-right",
    """
    ## What it means

    `a2po` answers every prompt several times before the first step, and sets prompts aside to
    which no answer was worth anything. It set all of them aside.

    ## Why it matters

    No row is left to train on: the model cannot do the task at all, or the rewards never hold.

    ## Example

    ```text
    recipe.yaml: RR721 no-answer-was-right: none of 8 answers to each of 400 prompts had a reward above 0
    ```

    ## Instead

    Look at the answers in `completions.jsonl` of the run directory. Where a right one is judged
    as wrong, correct `rewards`. Where all are wrong, begin with easier prompts, train with `sft`
    first, allow longer answers (`max_completion_length`), or more of them (`num_value_samples`).
    """,
)

CODES = (CODE_CHANGED, REWARD_FAILED, REWARD_NOT_FINITE, JUDGE_UNUSABLE, NOTHING_TO_LEARN)
