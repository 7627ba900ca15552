"""The data part of a plan."""

from typing import Literal

from recipe_runner.compiler.resolved import ResolvedRecipe, ResolvedSource
from recipe_runner.components.base import settled
from recipe_runner.components.source import Source
from recipe_runner.plan import DataPlan, DeduplicatePlan, FormatPlan, RowPolicy, SourcePlan
from recipe_runner.recipe.sections import BadRows


def compile_data(resolved: ResolvedRecipe) -> DataPlan:
    """What the run reads."""
    data = resolved.recipe.data
    split = resolved.eval_split
    eval_packing = (
        data.packing if data.eval_packing is None else (data.packing if data.eval_packing else None)
    )
    return DataPlan(
        train=tuple(compile_source(source) for source in resolved.train),
        eval=tuple(compile_source(source) for source in resolved.eval),
        eval_split=split.split if split else None,
        mix_strategy=data.mix.strategy,
        mix_stopping=data.mix.stopping_strategy,
        deduplicate=(
            DeduplicatePlan(data.deduplicate.method, data.deduplicate.threshold)
            if data.deduplicate
            else None
        ),
        leakage=data.leakage,
        streaming=data.streaming,
        shuffle=data.shuffle,
        shuffle_buffer=data.shuffle_buffer,
        seed=resolved.recipe.seed,
        max_length=settled(data.max_length),
        overlong=data.overlong,
        truncation_mode=data.truncation_mode,
        packing=data.packing,
        eval_packing=eval_packing,
        num_proc=settled(data.num_proc),
        steps=resolved.recipe.algorithm.steps(),
    )


def compile_source(source: ResolvedSource) -> SourcePlan:
    """One data set."""
    spec, facts = source.spec, source.facts
    return SourcePlan(
        path=spec.path,
        loader=facts.loader,
        loader_options={
            **(spec.source.options() if isinstance(spec.source, Source) else {}),
            **({"data_files": list(spec.data_files)} if spec.data_files else {}),
        },
        format=FormatPlan(source.format.type, source.format.example_shape, source.format.options()),
        loss=source.loss,
        files=facts.files,
        name=spec.name,
        split=spec.split,
        revision=spec.revision,
        columns=spec.columns,
        limit=spec.limit,
        fraction_of_rows=spec.fraction_of_rows,
        repeat=spec.repeat,
        probability=spec.probability,
        on_bad_row=row_policy(spec.on_bad_row),
        rows=facts.rows,
    )


def row_policy(wanted: BadRows | Literal["error", "drop"]) -> RowPolicy:
    """One word stands for every kind of fault."""
    if isinstance(wanted, BadRows):
        return RowPolicy(**wanted.model_dump())
    return RowPolicy.of(wanted)
