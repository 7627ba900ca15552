"""Rules about options that another option makes idle, and those that cannot do what they say."""

import re
from collections.abc import Iterator

from recipe_runner.compiler.optimizers import optimizer_of
from recipe_runner.compiler.resolved import Path, ResolvedRecipe
from recipe_runner.compiler.rules.recomputed import idle_options
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.components.base import settled
from recipe_runner.plan import Feed
from recipe_runner.recipe.sections import Data

_HEAD = "lm_head"
"""The output head's name in the language models of transformers."""

_BY_LENGTH = ("group_by_length", "batch_rebalance")
_ONE_LIST: tuple[Feed, ...] = ("sequences", "answered_sequences", "steps")
"""Feeds whose rows are one list of tokens."""


@rule("RR307", "option-without-effect")
def option_without_effect(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    An option is given, and another option of the recipe makes it do nothing.

    ## Why it matters

    Whoever reads the recipe believes that the option counts, and looks for its effect in the
    results.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, overlong: drop, truncation_mode: keep_end}  # <- RR307
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, overlong: truncate, truncation_mode: keep_end}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    for path, why, help_text in (
        *_of_training(resolved),
        *_of_data(resolved),
        *_of_the_algorithm(resolved),
        *_of_sources(resolved),
        *_of_the_strategy(resolved),
    ):
        name = ".".join(str(part) for part in path)
        yield Finding(path, f"`{name}` has no effect, because {why}", help_text, of_key=True)


Idle = Iterator[tuple[Path, str, str]]
"""The path of an option, why it does nothing, and what to do."""


def _of_training(resolved: ResolvedRecipe) -> Idle:
    training = resolved.recipe.training
    if training.early_stopping_threshold and training.early_stopping_patience is None:
        why = "`early_stopping_patience` is not given"
        yield ("training", "early_stopping_threshold"), why, "give it, or remove this one"
    for key, given in (
        ("torch_compile_backend", training.torch_compile_backend),
        ("torch_compile_mode", training.torch_compile_mode),
    ):
        if given is not None and not training.torch_compile:
            why = "`torch_compile` is false"
            yield ("training", key), why, "set `torch_compile: true`, or remove it"
    embedding = type(training).model_fields["loraplus_lr_embedding"].default
    if training.loraplus_lr_ratio is None and training.loraplus_lr_embedding != embedding:
        why = "`loraplus_lr_ratio` is not given"
        yield ("training", "loraplus_lr_embedding"), why, "give it, or remove this one"
    if training.liger_kernel_config is not None and not training.use_liger_kernel:
        why = "`use_liger_kernel` is false"
        yield ("training", "liger_kernel_config"), why, "set it to true, or remove this one"
    if training.optim_target_modules is not None and not optimizer_of(training.optim).low_rank:
        why = f"`optim` is {training.optim}, which trains all modules alike"
        yield ("training", "optim_target_modules"), why, "use a `galore_` or `apollo_` optimizer"
    recomputes = settled(training.activation_checkpointing)
    if recomputes and resolved.sharding.checkpoints_activations:
        why = "`launch.strategy` recomputes activations itself"
        yield ("training", "activation_checkpointing"), why, "remove one of the two"
    yield from idle_options(resolved)


def _of_data(resolved: ResolvedRecipe) -> Idle:
    data = resolved.recipe.data
    if data.overlong != "truncate" and data.truncation_mode != "keep_answer":
        why = f"`overlong` is {data.overlong}"
        yield ("data", "truncation_mode"), why, "set `overlong: truncate`, or remove it"
    elif data.truncation_mode != "keep_answer" and _all_in_pieces(data):
        why = f"`packing: {data.packing}` keeps longer rows in pieces"
        yield ("data", "truncation_mode"), why, "set `packing: bfd`, or remove it"
    if data.packing and data.eval_packing is not None and data.eval is None:
        why = "there are no evaluation rows"
        yield ("data", "eval_packing"), why, "give `data.eval`, or remove it"
    if data.mix.strategy == "concatenate" and data.mix.stopping_strategy != "first_exhausted":
        why = "data sets that are concatenated are used whole"
        yield ("data", "mix", "stopping_strategy"), why, "set `strategy: interleave`, or remove it"
    if data.mix.strategy == "interleave" and len(data.train) == 1:
        yield ("data", "mix", "strategy"), "there is one training set", "remove `data.mix`"
    if data.leakage != "report" and data.eval is None:
        why = "there are no evaluation rows that could be trained on"
        yield ("data", "leakage"), why, "give `data.eval`, or remove it"
    repeats = data.deduplicate
    if repeats and repeats.method == "exact" and "threshold" in repeats.model_fields_set:
        why = "`method` is exact, which knows equal rows only"
        yield ("data", "deduplicate", "threshold"), why, "set `method: near`, or remove it"


def _of_the_algorithm(resolved: ResolvedRecipe) -> Idle:
    """Options that speak of tokens, for algorithms whose loss is of answers."""
    recipe, algorithm = resolved.recipe, resolved.recipe.algorithm
    if recipe.training.label_smoothing_factor and algorithm.feed != "sequences":
        why = f"the loss of {algorithm.type} is no cross-entropy over all tokens"
        yield ("training", "label_smoothing_factor"), why, "remove it"
    whole = algorithm.feed in ("prompts", "steps")
    if whole and recipe.data.truncation_mode != "keep_answer":
        what = "prompts are not cut" if algorithm.generates else "whole steps are left out"
        yield ("data", "truncation_mode"), what, "remove it"
    strategy = recipe.training.train_sampling_strategy
    if strategy != "random" and (algorithm.generates or algorithm.fixed_order):
        why = f"{algorithm.type} takes its rows in an order of its own"
        yield ("training", "train_sampling_strategy"), why, "remove it"
    evaluates = resolved.has_eval and recipe.training.eval_strategy != "no"
    if algorithm.options().get("num_generations_eval") is not None and not evaluates:
        why = "nothing is evaluated"
        yield ("algorithm", "num_generations_eval"), why, "give `data.eval`, or remove it"


def _all_in_pieces(data: Data) -> bool:
    """True where packing cuts longer rows into pieces, so that nothing else has to."""
    evaluated = data.eval is not None and data.eval_packing is False
    return data.packing in ("bfd_split", "wrapped") and not evaluated


def _of_sources(resolved: ResolvedRecipe) -> Idle:
    """Keys of hub data sets beside a local path; a slice of a split would be taken for given."""
    for source in resolved.eval:
        if source.spec.repeat > 1:
            why = "every evaluation row is used once"
            yield (*source.path, "repeat"), why, "remove it"
    for source in (*resolved.train, *resolved.eval):
        if not source.facts.files:
            continue
        spec = source.spec
        for key, given in (
            ("name", spec.name is not None),
            ("split", spec.split != type(spec).model_fields["split"].default),
            ("revision", spec.revision is not None),
            ("data_files", bool(spec.data_files)),
        ):
            if given:
                why = f"`{spec.path}` is not on the hub"
                help_text = "remove it; `limit` takes the first rows"
                yield (*source.path, key), why, help_text if key == "split" else "remove it"


def _of_the_strategy(resolved: ResolvedRecipe) -> Idle:
    for field, why, help_text in resolved.sharding.idle():
        yield ("launch", "strategy", field), why, help_text


@rule("RR382", "adapter-on-output-head")
def adapter_on_output_head(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The adapter is put on the output head, and the algorithm's trainer multiplies by the weights
    of that head itself.

    ## Why it matters

    The adapter on it would be passed over and never trained. Upstream says so after the model was
    loaded.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    adapter: {type: lora, target_modules: [q_proj, v_proj, lm_head]}  # <- RR382
    data: {train: data/pairs.jsonl}
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
    adapter: {type: lora, target_modules: [q_proj, v_proj]}
    data: {train: data/pairs.jsonl}
    algorithm: dpo
    output_dir: runs/x
    ```

    ```jsonl data/pairs.jsonl
    {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}
    ```
    """
    adapter, algorithm = resolved.recipe.adapter, resolved.recipe.algorithm
    if adapter is None or not algorithm.reads_head:
        return
    options = adapter.options()
    targets, excluded = options.get("target_modules"), options.get("exclude_modules")
    if _names(targets, _HEAD) and not _names(excluded, _HEAD):
        message = (
            f"`adapter.target_modules` names `{_HEAD}`, whose weights {algorithm.type} reads past "
            "the adapter"
        )
        help_text = f"leave it out; to train the head in full, use `modules_to_save: [{_HEAD}]`"
        yield Finding(("adapter", "target_modules"), message, help_text, of_key=True)


def _names(modules: object, module: str) -> bool:
    """True where a list of name endings, or a regular expression for whole names, has a module."""
    if isinstance(modules, str):
        try:
            return re.fullmatch(modules, module) is not None
        except re.error:
            return False  # told with the other patterns
    return isinstance(modules, list) and module in modules


@rule("RR380", "rows-of-no-one-length")
def rows_of_no_one_length(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    Rows are to be put together by length, and a row of this algorithm is several answers, each
    with a length of its own.

    ## Why it matters

    Upstream looks for one list of tokens in a row, and says that there is none when the first
    batch is made.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/pairs.jsonl}
    algorithm: dpo
    training: {train_sampling_strategy: group_by_length}  # <- RR380
    output_dir: runs/x
    ```

    ```jsonl data/pairs.jsonl
    {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/pairs.jsonl}
    algorithm: dpo
    output_dir: runs/x
    ```

    ```jsonl data/pairs.jsonl
    {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}
    ```
    """
    algorithm, strategy = (
        resolved.recipe.algorithm,
        resolved.recipe.training.train_sampling_strategy,
    )
    if algorithm.generates or algorithm.fixed_order:
        return  # RR307 tells that the order is the trainer's own
    if strategy in _BY_LENGTH and algorithm.feed not in _ONE_LIST:
        path = ("training", "train_sampling_strategy")
        message = (
            f"`training.train_sampling_strategy` is {strategy}, and a row of {algorithm.type} is "
            "several answers, each with its own length"
        )
        yield Finding(path, message, "use `random`")
