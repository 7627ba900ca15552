"""The rule about golden rows: what a look at the recipe shows of a change of their tokens."""

from collections.abc import Iterator

from recipe_runner.compiler.compile_data import compile_data
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.rows import RowProblem
from recipe_runner.rows.golden import changes, content_of, depends_on


@rule("RR450", "golden-stale", "warning")
def golden_stale(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    Beside the recipe lie golden rows, written with `recipe-run preview --golden`, and what
    their tokens depend on has changed since: the chat template, the tokenizer, a format, the
    loss, a length, or one of the rows.

    ## Why it matters

    A change of this kind decides what the model learns, and shows in no loss curve. The
    golden rows make it visible in review. `recipe-run train` compares the tokens themselves,
    and stops where they differ.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, max_length: 1024}  # <- RR450
    algorithm: sft
    output_dir: runs/x
    ```

    ```json recipe.golden.json
    {"version": 1, "made_with": {}, "depends_on": {"data.max_length": 4096}, "rows": []}
    ```

    ## Instead

    Look at the difference with `recipe-run preview recipe.yaml --golden --diff`. Where the
    change is meant, write the rows again with `recipe-run preview recipe.yaml --golden` and
    commit them with the recipe. Otherwise take it back:

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, max_length: 4096}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    facts = resolved.around.golden
    if facts is None or None in (*resolved.around.train, *resolved.around.eval):
        return  # a data set that cannot be looked at is a finding of its own
    found = [*changes(facts.golden.depends_on, _now(resolved)), *_rows(resolved)]
    if found:
        yield Finding(
            ("data",),
            f"`{facts.name}` was written before a change: {'; '.join(found)}",
            "look at it with `recipe-run preview RECIPE --golden --diff`; where it is meant, "
            "write the file again with `recipe-run preview RECIPE --golden`",
            of_key=True,
        )


def _now(resolved: ResolvedRecipe) -> dict[str, object]:
    around, tokenizer = resolved.around, resolved.recipe.tokenizer
    template = around.template.text if around.template is not None else None
    if template is None and around.tokenizer is not None:
        template = around.tokenizer.chat_template
    return depends_on(
        compile_data(resolved),
        template=template,
        kwargs=tokenizer.chat_template_kwargs,
        special_tokens=tokenizer.special_tokens.model_dump(exclude_none=True),
        add_tokens=tokenizer.add_tokens,
        tokenizer_files=around.golden.tokenizer_files if around.golden is not None else {},
    )


def _rows(resolved: ResolvedRecipe) -> Iterator[str]:
    """Golden rows that are others in the files of today, as far as they were read."""
    assert resolved.around.golden is not None
    places = {
        **{f"data.train[{n}]": source for n, source in enumerate(resolved.train)},
        **{f"data.eval[{n}]": source for n, source in enumerate(resolved.eval)},
    }
    for golden in resolved.around.golden.golden.rows:
        source = places.get(golden.source)
        for where, row in source.facts.sample if source is not None else ():
            if where.number == golden.row:
                if isinstance(row, RowProblem) or content_of(row) != golden.content:
                    yield f"row {golden.row} of `{golden.path}` is another one"
                break
