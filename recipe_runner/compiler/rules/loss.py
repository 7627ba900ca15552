"""Rules about `data.loss_on` where it is a mapping."""

import difflib
from collections.abc import Iterator

from recipe_runner.compiler.resolved import Path, ResolvedRecipe, ResolvedSource
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.components.chat import ChatFormat
from recipe_runner.components.format import Example
from recipe_runner.components.turns import KNOWN_ROLES
from recipe_runner.recipe.sections import Loss
from recipe_runner.rows import RowProblem, rename
from recipe_runner.rows.answers import ANY, conversation_of, has_own_word

_PATH: Path = ("data", "loss_on")


@rule("RR350", "loss-on-without-effect")
def loss_on_without_effect(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    A key of `data.loss_on` is given that does nothing for the rows at hand: turns and roles of
    texts that have none, an end-of-turn token of a text, a weight of 1. Or `loss_on` is `all`,
    and messages of the rows say themselves which of them train, or how much.

    ## Why it matters

    Whoever reads the recipe believes that other tokens train than those that do.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data:
      train: data/pairs.jsonl
      loss_on:
        turns: last  # <- RR350
    algorithm: sft
    output_dir: runs/x
    ```

    ```jsonl data/pairs.jsonl
    {"prompt": "2 + 2 =", "completion": " 4"}
    ```

    ## Instead

    Of a completion that is a text, `end_of_turn: none` leaves out the end-of-sequence token,
    and `weights` give parts of it a factor; the other keys are for conversations.

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data:
      train: data/pairs.jsonl
      loss_on:
        end_of_turn: none
    algorithm: sft
    output_dir: runs/x
    ```
    """
    loss = resolved.recipe.data.loss_on
    if loss == "all":
        yield from _marks_overruled(resolved)
    if not isinstance(loss, Loss):
        return
    for pattern, factor in loss.weights.items():
        if factor == 1:
            path = (*_PATH, "weights", pattern)
            message = f"the weight of `{pattern}` is 1, which is what every trained token has"
            yield Finding(path, message, "give another factor, or remove it", of_key=True)
    if ANY in loss.roles and len(loss.roles) > 1:
        message = f"`data.loss_on.roles` has `{ANY}`, which makes the other roles idle"
        yield Finding((*_PATH, "roles"), message, f"keep `{ANY}` or the others", of_key=True)
    sources = (*resolved.train, *resolved.eval)
    if not sources or not all(_is_text(source) for source in sources):
        return
    default = Loss()
    for key, given in (
        ("roles", loss.roles != default.roles),
        ("turns", loss.turns != default.turns),
        ("end_of_turn", loss.end_of_turn in ("all", "last")),
        ("end_of_turn_tokens", bool(loss.end_of_turn_tokens)),
    ):
        if given:
            message = (
                f"`data.loss_on.{key}` has no effect, because the completions are texts without "
                "turns"
            )
            yield Finding((*_PATH, key), message, "remove it", of_key=True)


@rule("RR351", "role-that-no-row-has")
def role_that_no_row_has(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    `data.loss_on.roles` names a role that no conversation can have.

    ## Why it matters

    No turn would train for it, and nothing else would show that.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data:
      train: data/chat.jsonl
      loss_on:
        roles: [assistant, tools]  # <- RR351
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    Name one that the rows have. A role of your own is one that the format's `roles` map to
    itself.

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data:
      train: data/chat.jsonl
      loss_on:
        roles: [assistant, tool]
    algorithm: sft
    output_dir: runs/x
    ```
    """
    loss = resolved.recipe.data.loss_on
    if not isinstance(loss, Loss):
        return
    known = dict.fromkeys((*KNOWN_ROLES, ANY))
    for source in (*resolved.train, *resolved.eval):
        if isinstance(source.format, ChatFormat):
            known |= dict.fromkeys(source.format.roles.values())
    for role in loss.roles:
        if role not in known:
            near = difflib.get_close_matches(role, known, n=1)
            guess = f"did you mean `{near[0]}`? " if near else ""
            message = f"`data.loss_on.roles` names `{role}`, a role that no conversation has"
            yield Finding((*_PATH, "roles"), message, f"{guess}choices: {', '.join(known)}")


def _marks_overruled(resolved: ResolvedRecipe) -> Iterator[Finding]:
    for source in (*resolved.train, *resolved.eval):
        if not isinstance(source.format, ChatFormat):
            continue
        row = next((n for n, example in _examples(source) if _has_marks(example)), None)
        if row is not None:
            message = (
                f"`data.loss_on: all` trains every token, and messages of `{source.spec.path}` "
                f"say themselves what trains, first in row {row}"
            )
            help_text = (
                "leave `loss_on` out, or do not read the marks: set `train_key`, `weight_key` "
                "and `spans_key` of the format to null"
            )
            yield Finding(_PATH, message, help_text)


def _has_marks(example: Example) -> bool:
    return has_own_word(example.get("messages") or conversation_of(example) or ())


def _examples(source: ResolvedSource) -> Iterator[tuple[int, Example]]:
    """The first rows of a source that can be read, with their numbers."""
    for where, row in source.facts.sample:
        if isinstance(row, RowProblem):
            continue
        try:
            yield where.number, source.format.to_example(rename(row, source.spec.columns))
        except RowProblem:
            continue


def _is_text(source: ResolvedSource) -> bool:
    """True where a source's first rows are a prompt and a completion without turns."""
    first = next(_examples(source), None)
    return first is not None and isinstance(first[1].get("completion"), str)
