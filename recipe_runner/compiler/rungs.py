"""The ways to keep activations for the backward pass, from keeping all to keeping the least.

A rung is what `training.activation_checkpointing` and its options say. Each takes less memory and
more time than another one; which is the fastest that fits depends on the model and its rows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import JsonValue

from recipe_runner.compiler.compile_cost import load_of, speeds_of
from recipe_runner.compiler.compile_run import recomputing, run_of
from recipe_runner.compiler.estimate.duration import Load, Speeds, seconds_per_step
from recipe_runner.compiler.estimate.memory import memory
from recipe_runner.compiler.estimate.run import Run
from recipe_runner.compiler.resolve_joined import attention_of
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.components.base import settled
from recipe_runner.plan.joined import SEGMENTS
from recipe_runner.plan.recomputed import layers_words

USUAL = Speeds(flops=6e14, bandwidth=2.5e12)
"""Rates that rungs are compared at on a GPU that was not measured: about those of an H100."""

Options = Mapping[str, JsonValue]


@dataclass(frozen=True)
class Rung:
    """A way to keep activations, and the run with it.

    `options` are those of activation checkpointing, None where nothing is computed again.
    `total` is the memory of a process at its fullest, in bytes, `seconds` the time of a step.
    """

    options: Options | None
    total: int
    seconds: float

    @property
    def words(self) -> str:
        """What becomes of the activations."""
        return "all are kept" if self.options is None else layers_words(self.options)


def rungs(resolved: ResolvedRecipe) -> tuple[Rung, ...]:
    """The rungs that a run can take, the one that keeps all first; none where it is not known.

    Where the recipe states options, those are the only ones beside keeping all.
    """
    run = run_of(_with(resolved, None))
    if run is None:
        return ()
    stated = resolved.recipe.training.activation_checkpointing_kwargs
    ladder = [stated] if stated else list(_ladder(resolved, run))
    load = load_of(resolved, run) or Load()
    speeds = speeds_of(resolved, run) or USUAL
    return tuple(_rung(run, options, load, speeds) for options in (None, *ladder))


def climbed(resolved: ResolvedRecipe, options: Options | None) -> ResolvedRecipe:
    """The recipe with a rung in place of its own; None keeps all activations."""
    return _with(resolved, options)


def saves_attention(resolved: ResolvedRecipe) -> bool:
    """True where what the attention gives can be kept while the rest is computed again.

    It has to be one operation of torch, and checkpointing must not be of the reentrant kind, which
    TRL demands for adapters under DeepSpeed's third stage.
    """
    name = attention_of(resolved.recipe)
    fused = name in (None, "sdpa", SEGMENTS) or "flash" in name
    return fused and not reenters(resolved)


def reenters(resolved: ResolvedRecipe) -> bool:
    """True where TRL demands checkpointing of the reentrant kind."""
    whole = resolved.sharding.options().get("zero_stage") == 3
    return whole and resolved.recipe.adapter is not None


def fastest(found: tuple[Rung, ...], most: float) -> Rung | None:
    """The fastest of the rungs that take at most so many bytes."""
    fitting = (rung for rung in found if rung.total <= most)
    return min(fitting, key=lambda rung: (rung.seconds, rung.total), default=None)


def _ladder(resolved: ResolvedRecipe, run: Run) -> Iterator[Options]:
    layers = run.architecture.num_layers
    # Distances that leave as many layers alone are one and the same.
    counts: set[int] = set()
    for distance in range(2, layers + 1):
        again = -(-layers // distance)
        if again not in counts:
            counts.add(again)
            yield {"every_n_layers": distance}
    if saves_attention(resolved):
        yield {"selective": True}
    yield {}
    if not settled(resolved.recipe.launch.use_cpu):
        yield {"offload": True}


def _rung(run: Run, options: Options | None, load: Load, speeds: Speeds) -> Rung:
    tried = run if options is None else recomputing(run, options)
    return Rung(options, memory(tried).total, seconds_per_step(tried, load, speeds))


def _with(resolved: ResolvedRecipe, options: Options | None) -> ResolvedRecipe:
    values: dict[str, Any] = {"activation_checkpointing": options is not None}
    if options is not None:
        values["activation_checkpointing_kwargs"] = dict(options)
    training = resolved.recipe.training.model_copy(update=values)
    recipe = resolved.recipe.model_copy(update={"training": training})
    return replace(resolved, recipe=recipe)
