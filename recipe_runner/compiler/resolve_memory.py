"""Decides which activations are computed a second time, once all else is known that takes memory."""

from collections.abc import Iterator
from dataclasses import replace

from recipe_runner.compiler.compile_cost import limit_of
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rungs import Options, Rung, climbed, fastest, rungs
from recipe_runner.components.base import settled
from recipe_runner.plan import Derived

ROOM = 0.85
"""Share of a GPU's memory up to which nothing is computed twice to save some.

The formula is within 10% of what was measured, and there is more on a GPU than one run.
"""

_GIB = 2**30
_PATH = "training.activation_checkpointing"


def resolve_memory(resolved: ResolvedRecipe) -> ResolvedRecipe:
    """Set what the recipe leaves open: the fastest way to keep activations that fits.

    Keeping all of them is 1.3 to 1.4 times as fast as keeping none. Options that the recipe
    states are kept to.
    """
    recipe = resolved.recipe
    if recipe.training.activation_checkpointing != "auto":
        return resolved
    if settled(recipe.launch.use_cpu):
        because = "memory is rarely short on a CPU, and it costs about a third of the speed"
        return _decided(resolved, None, because)
    if resolved.sharding.checkpoints_activations:
        return _decided(resolved, None, "the launch strategy checkpoints activations itself")
    limit = limit_of(resolved)
    ladder = rungs(resolved) if limit is not None else ()
    if limit is None or not ladder:
        stated = recipe.training.activation_checkpointing_kwargs
        because = "activations of long rows seldom fit a GPU otherwise"
        return _decided(resolved, stated, because)
    return _climbed(resolved, ladder, ROOM * limit)


def _climbed(resolved: ResolvedRecipe, ladder: tuple[Rung, ...], room: float) -> ResolvedRecipe:
    plain, *others = ladder
    because = (
        f"without it the run takes {plain.total / _GIB:.1f} GiB, and may take "
        f"{room / _GIB:.1f} GiB, {ROOM:.0%} of the GPU"
    )
    if plain.total <= room:
        return _decided(resolved, None, because)
    found = fastest(tuple(others), room)
    if found is None:
        # What keeps the least is too much as well: slower would not help.
        here = [rung for rung in others if not (rung.options or {}).get("offload")] or others
        found = min(here, key=lambda rung: rung.total)
        taken = f"{found.words}: {found.total / _GIB:.1f} GiB, which is too much as well"
        return _decided(resolved, found.options, because, taken)
    more = found.seconds / plain.seconds - 1
    fitting = sum(rung.total <= room for rung in others)
    how = f"{found.words}: {found.total / _GIB:.1f} GiB and about {more:.0%} more time"
    if len(others) > 1:
        how += ", the only way that fits" if fitting == 1 else f", the fastest of {fitting} ways"
    return _decided(resolved, found.options, because, how)


def _decided(
    resolved: ResolvedRecipe, options: Options | None, because: str, how: str = ""
) -> ResolvedRecipe:
    """The recipe with a rung, and its reasons; None keeps all activations."""
    stated = resolved.recipe.training.activation_checkpointing_kwargs
    derived = (*resolved.derived, *_reasons(options, because, how, stated))
    return replace(climbed(resolved, options), derived=derived)


def _reasons(options: Options | None, because: str, how: str, stated: Options) -> Iterator[Derived]:
    if options is None or options == stated:
        yield Derived(_PATH, options is not None, f"{because}; {how}" if how else because)
        return
    yield Derived(_PATH, True, because)
    yield Derived(f"{_PATH}_kwargs", dict(options), how)
