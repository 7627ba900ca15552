"""The rule about optional columns and keys that a recipe names and no row has."""

from collections.abc import Iterator, Mapping
from typing import Any

from recipe_runner.compiler.resolved import Path, ResolvedRecipe, ResolvedSource
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.components.format import Format
from recipe_runner.rows import Row, RowProblem, rename

_DEPTH = 3
"""How deep a key is looked for: in the messages of a list in a column."""


@rule("RR354", "column-that-no-row-has", severity="warning")
def column_that_no_row_has(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    A format names a column, or a key of messages, that rows may lack, and all rows that were
    read lack it.

    ## Why it matters

    Rows without it are fine, so a spelling that the data do not have shows nowhere else: the
    system prompt, the tools or the weights would be missing in training.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data:
      train:
        path: data/chat.jsonl
        format: {type: messages, system_column: sytem}  # <- RR354
    algorithm: sft
    output_dir: runs/x
    ```

    ```jsonl data/chat.jsonl
    {"system": "Be short.", "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data:
      train:
        path: data/chat.jsonl
        format: {type: messages, system_column: system}
    algorithm: sft
    output_dir: runs/x
    ```

    ```jsonl data/chat.jsonl
    {"system": "Be short.", "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    ```
    """
    for source in (*resolved.train, *resolved.eval):
        if not isinstance(source.spec.format, Format):
            continue
        rows = _rows(source) if (named := list(_named(source.spec.format))) else []
        for path, name, depth in named:
            if rows and not any(_has(row, name, depth) for row in rows):
                what = "column" if depth == 0 else "key of a message"
                first = ", ".join(f"`{column}`" for column in rows[0])
                message = (
                    f"`{path[0]}` is {name}, a {what} that none of the {len(rows):,} rows of "
                    f"`{source.spec.path}` that were read has"
                )
                help_text = f"name one that they have, or remove it; their columns: {first}"
                yield Finding((*source.path, "format", *path), message, help_text)


@rule("RR386", "prompts-with-what-no-trainer-shows")
def prompts_with_what_no_trainer_shows(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    Prompts come with tools, or with variables for the chat template, and the trainer of the
    algorithm writes every prompt with the same.

    ## Why it matters

    The model would answer other prompts than the rows have: without the tools that they speak
    of, or with the variables of the recipe.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/prompts.jsonl}  # <- RR386
    algorithm: grpo
    rewards: {type: exact_match, column: answer}
    output_dir: runs/x
    ```

    ```jsonl data/prompts.jsonl
    {"prompt": [{"role": "user", "content": "Time?"}], "tools": [{"name": "clock"}], "answer": "clock()"}
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/prompts.jsonl}
    algorithm: grpo
    rewards: {type: exact_match, column: answer}
    output_dir: runs/x
    ```

    ```jsonl data/prompts.jsonl
    {"prompt": [{"role": "user", "content": "You may call clock(). Time?"}], "answer": "clock()"}
    ```
    """
    algorithm = resolved.recipe.algorithm
    if algorithm.feed != "prompts":
        return
    names = ["tools"] if algorithm.reads_variables_of_rows else ["tools", "chat_template_kwargs"]
    for source in (*resolved.train, *resolved.eval):
        examples = [source.format.to_example(row) for row in _rows(source)]
        for name in names:
            if any(example.get(name) for example in examples):
                message = (
                    f"rows of `{source.spec.path}` have `{name}`, and {algorithm.type} writes every "
                    "prompt with those of the recipe"
                )
                help_text = (
                    "write them into a system message"
                    if name == "tools"
                    else "say them in `tokenizer.chat_template_kwargs`, for all rows"
                )
                yield Finding(source.path, message, help_text)


def _named(format_: Format) -> Iterator[tuple[Path, str, int]]:
    """The names that the recipe gives in place of the usual ones, and how deep they are."""
    for option, field in type(format_).model_fields.items():
        value = getattr(format_, option)
        if option not in format_.model_fields_set or value == field.default:
            continue
        depth = 0 if option.endswith("_column") else _DEPTH
        if option.endswith(("_column", "_key")) and isinstance(value, str):
            yield (option,), value, depth
        elif option in ("template_keys", "reasoning_keys"):
            for number, key in enumerate(value):
                yield (option, number), key, depth


def _rows(source: ResolvedSource) -> list[Row]:
    """The rows that were read and fit; what is wrong with the others is told of each of them."""
    found = []
    for _, row in source.facts.sample:
        if isinstance(row, RowProblem):
            continue
        try:
            renamed = rename(row, source.spec.columns)
            source.format.to_example(renamed)
        except RowProblem:
            continue
        found.append(renamed)
    return found


def _has(value: Any, name: str, depth: int) -> bool:
    if isinstance(value, Mapping):
        inner = value.values()
        return name in value or (depth > 0 and any(_has(each, name, depth - 1) for each in inner))
    if isinstance(value, list | tuple):
        return depth > 0 and any(_has(each, name, depth - 1) for each in value)
    return False
