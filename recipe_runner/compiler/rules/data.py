"""Rules about the data section and the rows of data files."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from recipe_runner.compiler.compile_data import compile_source, row_policy
from recipe_runner.compiler.resolved import ResolvedRecipe, ResolvedSource
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.components.base import create
from recipe_runner.components.format import Format
from recipe_runner.diagnostics import Diagnostic, Place, Related
from recipe_runner.plan import LossPlan, RowPolicy
from recipe_runner.plan.data import LossOn, Turns
from recipe_runner.rows import RowProblem, Tally, findings, rename
from recipe_runner.rows.answers import refuse_odd, untrainable
from recipe_runner.rows.codes.files import NO_ROWS
from recipe_runner.rows.codes.tokens import NO_ROWS_LEFT
from recipe_runner.survey.data import SourceFacts
from recipe_runner.syntax import Document


@rule("RR331", "mix-does-not-fit")
def mix_does_not_fit(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    Data sets are interleaved and their probabilities are incomplete or do not add up to 1, or
    a probability is given although nothing is interleaved.

    ## Why it matters

    A probability without interleaving would have no effect; missing ones would be guessed.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data:
      train:
        - {path: data/chat.jsonl, probability: 0.5}  # <- RR331
        - {path: data/chat.jsonl, probability: 0.5}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data:
      train:
        - {path: data/chat.jsonl, probability: 0.5}
        - {path: data/chat.jsonl, probability: 0.5}
      mix: {strategy: interleave}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    for source in resolved.eval:
        if source.spec.probability is not None:
            message = "`probability` has no effect, because every evaluation row is used once"
            yield Finding((*source.path, "probability"), message, "remove it", of_key=True)
    given = [source.spec.probability for source in resolved.train]
    stated = [p for p in given if p is not None]
    if resolved.recipe.data.mix.strategy != "interleave":
        for source in resolved.train:
            if source.spec.probability is not None:
                message = "`probability` has no effect, because the data sets are concatenated"
                help_text = "set `data.mix: {strategy: interleave}`, or use `fraction_of_rows`"
                yield Finding((*source.path, "probability"), message, help_text, of_key=True)
        return
    if stated and (len(stated) < len(given) or abs(sum(stated) - 1) > 1e-6):
        message = (
            f"the probabilities of {len(given)} data sets add up to {sum(stated):g}, "
            f"with {len(given) - len(stated)} missing"
        )
        yield Finding(
            ("data", "mix"), message, "give each data set one, adding up to 1, or none at all"
        )


@rule("RR332", "packing-not-supported")
def packing_not_supported(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    Packing is asked for with an algorithm that cannot pack, or with an option that packing
    rules out.

    ## Why it matters

    Packed rows hold several examples; an algorithm that compares whole rows, or an order by
    length, has no meaning there.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, packing: bfd}  # <- RR332
    algorithm: sft
    training: {train_sampling_strategy: group_by_length}
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, packing: bfd}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    recipe = resolved.recipe
    if recipe.data.packing is None:
        if recipe.data.eval_packing:
            message = "`data.eval_packing` needs `data.packing`, which says how to pack"
            yield Finding(("data", "eval_packing"), message, "set `data.packing` too", of_key=True)
        return
    path = ("data", "packing")
    if not recipe.algorithm.supports_packing:
        yield Finding(
            path, f"`data.packing` is not for {recipe.algorithm.type}", "remove it", of_key=True
        )
    cuts = recipe.data.packing != "bfd" and recipe.data.overlong == "truncate"
    if cuts and recipe.data.eval_packing is False and resolved.eval_split is not None:
        message = (
            f"`data.packing: {recipe.data.packing}` cuts long rows only when it packs them, so "
            "rows that are split off and not packed would be evaluated above `max_length`"
        )
        help_text = (
            "leave `eval_packing` out, take `packing: bfd`, or name data sets to evaluate on"
        )
        yield Finding(("data", "eval_packing"), message, help_text, of_key=True)
    strategy = recipe.training.train_sampling_strategy
    if strategy not in ("random", "sequential"):
        message = f"`data.packing` fills rows to one length, so `train_sampling_strategy: {strategy}` has no effect"
        yield Finding(path, message, "keep one of the two", of_key=True)


def rows_do_not_fit(resolved: ResolvedRecipe, document: Document) -> Iterator[Diagnostic]:
    """What is wrong with the rows at hand, by each data set's policy; the run reads the others."""
    split, left = resolved.eval_split, resolved.training_rows
    counted = all(source.facts.rows for source in resolved.train)
    if split is not None and counted and left is not None and left < 1:
        share = f"{split.split:g}" if split.split < 1 else f"{split.split} rows"
        message = f"`data.eval.split` is {share}, which leaves no row to train on"
        place = document.place(("data", "eval", "split"))
        yield Diagnostic(NO_ROWS_LEFT, message, place, "hold out fewer rows")
    for source in (*resolved.train, *resolved.eval):
        if source.facts.rows == 0:
            place = Place(source.facts.files[0])
            message = f"`{source.spec.path}` has no rows"
            yield Diagnostic(NO_ROWS, message, place, "put rows into it, or name other data")
        elif source.facts.sample:
            named = Related("the data set is named here", _named(source, document))
            for found in findings.of(compile_source(source), _tally(source), document.path):
                yield replace(found, related=(*found.related, named))


def _named(source: ResolvedSource, document: Document) -> Place:
    path = (*source.path, "path")
    return document.place(path if path in document.spans else source.path)


def _tally(source: ResolvedSource) -> Tally:
    columns = tuple(sorted(source.spec.columns.items()))
    loss = source.loss
    words = (loss.on, loss.roles, loss.turns)
    policy = row_policy(source.spec.on_bad_row)
    return _judge(source.facts, source.format.model_dump_json(), columns, words, policy)


@lru_cache(maxsize=32)
def _judge(
    facts: SourceFacts,
    layout: str,
    columns: tuple[tuple[str, str], ...],
    words: tuple[LossOn, tuple[str, ...], Turns],
    policy: RowPolicy,
) -> Tally:
    """Judge the rows of a data set, once for all recipes of a command that read them alike.

    `words` are the mask's `on`, `roles` and `turns`: the rest needs tokens.
    """
    format_: Format = create("recipe_runner.components.formats", json.loads(layout))
    loss = LossPlan(*words)
    tally = Tally()
    for where, row in facts.sample:
        tally.read += 1
        problem = row if isinstance(row, RowProblem) else None
        if not isinstance(row, RowProblem):
            try:
                example = format_.to_example(rename(row, dict(columns)))
                refuse_odd(example, policy)
                problem = untrainable(example, loss)
            except RowProblem as error:
                problem = error
        if problem is None:
            tally.used += 1
        else:
            tally.fault(where, problem)
    return tally


@rule("RR378", "answers-cannot-be-split")
def answers_cannot_be_split(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    Rows that are too long are to be split into pieces, and the algorithm learns from whole
    answers or steps.

    ## Why it matters

    A piece of an answer without its prompt is another answer, which nobody has judged.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/pairs.jsonl, overlong: split}  # <- RR378
    algorithm: dpo
    output_dir: runs/x
    ```

    ```jsonl data/pairs.jsonl
    {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/pairs.jsonl, overlong: truncate}
    algorithm: dpo
    output_dir: runs/x
    ```

    ```jsonl data/pairs.jsonl
    {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}
    ```
    """
    recipe = resolved.recipe
    if recipe.data.overlong == "split" and recipe.algorithm.feed != "sequences":
        message = (
            f"`data.overlong: split` is not for {recipe.algorithm.type}, which needs whole rows"
        )
        yield Finding(("data", "overlong"), message, "choose truncate, drop or error")
