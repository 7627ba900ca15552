"""Rules about data that are read while training goes."""

from collections.abc import Iterator

from recipe_runner.compiler.resolved import Path, ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.components.base import settled
from recipe_runner.recipe.sections import Data


@rule("RR347", "stream-without-an-end")
def stream_without_an_end(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    `data.streaming` is true, and `training.max_steps` does not say when to stop.

    ## Why it matters

    Rows of a stream are not counted before they are read, so nobody can say how many steps an
    epoch has, and the learning rate cannot be planned.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, streaming: true}  # <- RR347
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, streaming: true}
    algorithm: sft
    training: {max_steps: 1000}
    output_dir: runs/x
    ```
    """
    recipe = resolved.recipe
    if recipe.data.streaming and recipe.training.max_steps is None:
        message = "`data.streaming` is true, and `training.max_steps` is not given"
        help_text = "set `training.max_steps`, or turn streaming off"
        yield Finding(("data", "streaming"), message, help_text, of_key=True)


@rule("RR348", "not-in-a-stream")
def not_in_a_stream(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    `data.streaming` is true, and another option needs to see all rows before the run.

    ## Why it matters

    Rows of a stream are read once, while training goes.
    They cannot be counted, compared with each other, split or sorted by length, and packs
    cannot be filled from all of them.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, streaming: true, eval: {split: 0.1}}  # <- RR348
    algorithm: sft
    training: {max_steps: 1000}
    output_dir: runs/x
    ```

    ## Instead

    Name data sets of their own to evaluate on; those are prepared as always.

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, streaming: true, eval: data/eval.jsonl, leakage: ignore}
    algorithm: sft
    training: {max_steps: 1000}
    output_dir: runs/x
    ```

    ```jsonl data/eval.jsonl
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    ```
    """
    if not resolved.recipe.data.streaming:
        return
    for path, why, help_text in (*_of_data(resolved), *_of_training(resolved)):
        name = ".".join(str(part) for part in path)
        yield Finding(path, f"`{name}` is not for a stream: {why}", help_text, of_key=True)


@rule("RR349", "streaming-option-without-effect")
def streaming_option_without_effect(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    `data.shuffle_buffer` is given, and nothing is shuffled in a buffer.

    ## Why it matters

    Whoever reads the recipe believes that the option counts.
    Rows that are prepared are shuffled all together; a buffer is for a stream.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, shuffle_buffer: 500}  # <- RR349
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, streaming: true, shuffle_buffer: 500}
    algorithm: sft
    training: {max_steps: 1000}
    output_dir: runs/x
    ```
    """
    data = resolved.recipe.data
    if data.shuffle_buffer == Data.model_fields["shuffle_buffer"].default:
        return
    if not data.streaming or not data.shuffle:
        why = "`shuffle` is false" if data.streaming else "`streaming` is false"
        message = f"`data.shuffle_buffer` has no effect, because {why}"
        yield Finding(("data", "shuffle_buffer"), message, "remove it", of_key=True)


Refused = Iterator[tuple[Path, str, str]]
"""The path of an option, why it cannot be, and what to do."""


def _of_data(resolved: ResolvedRecipe) -> Refused:
    data = resolved.recipe.data
    if resolved.eval_split is not None:
        yield (
            ("data", "eval"),
            "rows cannot be split off before they are read",
            "name data sets of their own",
        )
    if data.deduplicate is not None:
        why = "rows cannot be compared with all others"
        yield ("data", "deduplicate"), why, "remove it, or turn streaming off"
    if resolved.eval and data.leakage != "ignore":
        why = "its rows cannot be compared with those that evaluate before the run"
        yield ("data", "leakage"), why, "write `leakage: ignore`, or turn streaming off"
    if data.packing is not None:
        why = "packs are filled from all rows"
        yield ("data", "packing"), why, "remove it, or turn streaming off"
    for source in resolved.train:
        if "[" in source.spec.split:
            why = "a slice counts the rows of the split"
            yield (*source.path, "split"), why, "name the whole split, and use `limit`"


def _of_training(resolved: ResolvedRecipe) -> Refused:
    training = resolved.recipe.training
    if training.train_sampling_strategy != "random":
        why = "it has no sampler"
        yield ("training", "train_sampling_strategy"), why, "remove it"
    if training.dataloader_num_workers:
        why = "rows are read, tokenized and counted in the process that trains"
        yield ("training", "dataloader_num_workers"), why, "remove it"
    for key, given in (
        ("saves_per_epoch", training.saves_per_epoch),
        ("evals_per_epoch", training.evals_per_epoch),
    ):
        if given is not None:
            why = "the steps of an epoch are not known"
            instead = f"{key.partition('s_')[0]}_steps"
            yield ("training", key), why, f"set `training.{instead}`"
    if settled(resolved.recipe.model.task) == "image_text_to_text":
        why = "images are kept beside prepared rows"
        yield ("model", "task"), why, "turn streaming off"
    algorithm = resolved.recipe.algorithm
    if not algorithm.supports_streaming:
        yield ("algorithm",), f"{algorithm.type} reads prepared rows", "turn streaming off"
