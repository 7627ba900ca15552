"""Chooses the rows of a pass, and whether weights are spread, by the memory that a run takes.

Both decide what comes after them, levers and checkpointing among it, so a choice is made by
resolving the recipe with each. The fastest that fits is taken. What the recipe states is kept.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from recipe_runner.compiler.compile_cost import limit_of, load_of, speeds_of
from recipe_runner.compiler.compile_run import run_of
from recipe_runner.compiler.estimate.duration import Load, seconds_per_step
from recipe_runner.compiler.estimate.memory import memory
from recipe_runner.compiler.resolve_memory import ROOM
from recipe_runner.compiler.resolved import Choice, ResolvedRecipe
from recipe_runner.compiler.rungs import USUAL
from recipe_runner.compiler.spreadable import spreadable
from recipe_runner.components.base import settled
from recipe_runner.recipe.schema import Recipe

_GIB = 2**30

_FEW_TOKENS = 4096
"""Tokens of a pass below which a GPU has too little to do: only taken where no more fit."""

_FASTER = 0.97
"""What a choice has to take of another's time to be preferred: the formula knows it no better."""

Again = Callable[[Choice], ResolvedRecipe]


@dataclass(frozen=True)
class _Tried:
    """A resolved recipe, the bytes that a process takes, and the seconds of a step."""

    resolved: ResolvedRecipe
    total: int
    seconds: float
    tokens: int

    def fits(self, room: float) -> bool:
        """True where it takes no more than that."""
        return self.total <= room


def fitted(recipe: Recipe, first: ResolvedRecipe, again: Again) -> ResolvedRecipe:
    """`first`, or what `again` gives for a better choice. `recipe` is what was written."""
    limit, plain = limit_of(first), _tried(first)
    if limit is None or plain is None or settled(first.recipe.launch.use_cpu):
        return first
    room = ROOM * limit
    recomputes = settled(first.recipe.training.activation_checkpointing)
    if plain.fits(room) and not recomputes:
        return first
    best = plain
    for rows in _fewer_rows(recipe, first):
        tried = _tried(again(Choice(rows, because=_why(plain, room))))
        if tried is not None and _is_better(tried, best, room):
            best = tried
    if best.fits(room) or not _may_spread(recipe, first):
        return best.resolved
    for rows in (_rows(first), *_fewer_rows(recipe, first)):
        because = _why(plain, room) if rows != _rows(first) else ""
        tried = _tried(again(Choice(rows, True, because, _why(best, room))))
        if tried is not None and tried.total < best.total and _is_better(tried, best, room):
            best = tried
    return best.resolved


def _is_better(tried: _Tried, best: _Tried, room: float) -> bool:
    if not best.fits(room):
        return tried.total < best.total
    if not tried.fits(room) or tried.tokens < min(_FEW_TOKENS, best.tokens):
        return False
    return tried.seconds < _FASTER * best.seconds


def _why(tried: _Tried, room: float) -> str:
    """What is the matter with a choice."""
    rows = _rows(tried.resolved)
    taken, most = tried.total / _GIB, room / _GIB
    if not tried.fits(room):
        return f"with {rows} a run takes {taken:.1f} GiB, and may take {most:.1f}"
    return f"with {rows} activations have to be computed again, which takes longer"


def _fewer_rows(recipe: Recipe, first: ResolvedRecipe) -> Iterator[int]:
    """Smaller numbers of rows that the step can be split into, the largest first."""
    training = recipe.training
    open_ = training.per_device_train_batch_size == "auto"
    if not open_ or training.gradient_accumulation_steps != "auto":
        return
    settled_ = first.recipe.training
    micro = _rows(first)
    share = micro * settled(settled_.gradient_accumulation_steps)
    least = recipe.algorithm.smallest_micro_batch
    yield from (rows for rows in range(micro - 1, least - 1, -1) if share % rows == 0)


def _may_spread(recipe: Recipe, first: ResolvedRecipe) -> bool:
    """True where several processes could share the weights, and the recipe leaves it open."""
    several = settled(first.recipe.launch.num_processes) > 1
    return recipe.launch.strategy == "auto" and several and spreadable(first)


def _rows(resolved: ResolvedRecipe) -> int:
    return settled(resolved.recipe.training.per_device_train_batch_size)


def _tried(resolved: ResolvedRecipe) -> _Tried | None:
    run = run_of(resolved)
    if run is None:
        return None
    load, speeds = load_of(resolved, run) or Load(), speeds_of(resolved, run) or USUAL
    return _Tried(resolved, memory(run).total, seconds_per_step(run, load, speeds), run.tokens)
