"""The data part of a plan."""

from recipe_runner.compiler.resolved import ResolvedRecipe, ResolvedSource
from recipe_runner.components.base import settled
from recipe_runner.plan import DataPlan, FormatPlan, SourcePlan


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
        shuffle=data.shuffle,
        seed=resolved.recipe.seed,
        max_length=settled(data.max_length),
        overlong=data.overlong,
        truncation_mode=data.truncation_mode,
        packing=data.packing,
        eval_packing=eval_packing,
        num_proc=settled(data.num_proc),
    )


def compile_source(source: ResolvedSource) -> SourcePlan:
    """One data set."""
    spec, facts = source.spec, source.facts
    return SourcePlan(
        path=spec.path,
        loader=facts.loader,
        format=FormatPlan(source.format.type, source.format.shape, source.format.options()),
        loss_on=source.loss_on,
        files=facts.files,
        name=spec.name,
        split=spec.split,
        revision=spec.revision,
        columns=spec.columns,
        limit=spec.limit,
        fraction_of_rows=spec.fraction_of_rows,
        probability=spec.probability,
        on_bad_row=spec.on_bad_row,
        rows=facts.rows,
    )
