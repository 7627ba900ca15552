"""Rules about options that another option makes idle."""

from collections.abc import Iterator

from recipe_runner.compiler.packages import LOW_RANK
from recipe_runner.compiler.resolved import Path, ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.components.base import settled
from recipe_runner.recipe.sections import Data


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
    if training.liger_kernel_config is not None and not training.use_liger_kernel:
        why = "`use_liger_kernel` is false"
        yield ("training", "liger_kernel_config"), why, "set it to true, or remove this one"
    if training.optim_target_modules is not None and not training.optim.startswith(LOW_RANK):
        why = f"`optim` is {training.optim}, which trains all modules alike"
        yield ("training", "optim_target_modules"), why, "use a `galore_` or `apollo_` optimizer"
    recomputes = settled(training.activation_checkpointing)
    if recomputes and resolved.sharding.checkpoints_activations:
        why = "`launch.strategy` recomputes activations itself"
        yield ("training", "activation_checkpointing"), why, "remove one of the two"


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
