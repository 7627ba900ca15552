"""Changes of a recipe that save memory, each with what the run takes after it.

They are tried in the order of what they cost: what computes the same first, then what computes it
in other numbers, then what trains something else, and last more devices. A component is found by
its traits, and what a recipe states is only ever proposed to be changed.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from recipe_runner.compiler.compile_cost import compile_cost
from recipe_runner.compiler.compile_optimizer import options_of
from recipe_runner.compiler.compile_run import HALF
from recipe_runner.compiler.estimate.state import state_bytes
from recipe_runner.compiler.resolve_speed import used
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rungs import Rung, climbed, fastest, rungs
from recipe_runner.compiler.spreadable import spreadable
from recipe_runner.components.adapter import Adapter
from recipe_runner.components.base import create, discover, settled
from recipe_runner.components.quantization import Quantization
from recipe_runner.components.sharding import Sharding
from recipe_runner.plan import CostPlan, MemoryPlan

_ADAPTERS = "recipe_runner.components.adapters"
_QUANTIZATIONS = "recipe_runner.components.quantizations"
_SHARDINGS = "recipe_runner.components.shardings"
_EIGHT_BITS = "adamw_bnb_8bit"
_MOST_PROCESSES = 64

Change = Callable[[ResolvedRecipe], tuple[str, ResolvedRecipe] | None]
"""The change in the words of a recipe, and the recipe after it; None where it is none."""


@dataclass(frozen=True)
class Saving:
    """One change or several, in the words of a recipe, and the memory of the run with them."""

    words: tuple[str, ...]
    memory: MemoryPlan


def fits(cost: CostPlan, share: float) -> bool:
    """True where the run takes at most a `share` of the device's memory."""
    limit = cost.memory.limit
    return limit is None or cost.memory.total <= share * limit


def savings(resolved: ResolvedRecipe, share: float) -> tuple[Saving, ...]:
    """The cheapest changes after which the run fits into a `share` of the device's memory.

    Each is enough by itself; where none is, one is given that takes as many as are needed, in
    order. Nothing where all of them are not enough.
    """
    changes = _changes(share)
    alone = [found for change in changes if (found := _after(resolved, (change,))) is not None]
    enough = tuple(saving for saving, cost in alone if fits(cost, share))
    if enough:
        return enough
    for count in range(2, len(changes) + 1):
        found = _after(resolved, changes[:count])
        if found is not None and fits(found[1], share):
            return (found[0],)
    return ()


def _after(resolved: ResolvedRecipe, changes: tuple[Change, ...]) -> tuple[Saving, CostPlan] | None:
    """The recipe with those of the changes that are any; None where none is, or its cost is not known."""
    words = []
    for change in changes:
        made = change(resolved)
        if made is not None:
            words.append(made[0])
            resolved = made[1]
    cost = compile_cost(resolved) if words else None
    return None if cost is None else (Saving(tuple(words), cost.memory), cost)


def _recomputing(share: float) -> Change:
    """Compute activations again: in the fastest way that is enough, else all of them."""

    def change(resolved: ResolvedRecipe) -> tuple[str, ResolvedRecipe] | None:
        now = compile_cost(resolved)
        if resolved.sharding.checkpoints_activations or now is None:
            return None
        saving = tuple(
            rung
            for rung in _others(resolved)
            if rung.total < now.memory.total and not _offloads(rung)
        )
        found = fastest(saving, share * (now.memory.limit or 0))
        if found is None:
            found = next((rung for rung in saving if rung.options == {}), None)
        return None if found is None else _on(resolved, found)

    return change


def _offloading(resolved: ResolvedRecipe) -> tuple[str, ResolvedRecipe] | None:
    """Keep the inputs of layers that are computed again in the memory of the host."""
    if resolved.sharding.checkpoints_activations:
        return None
    found = next((rung for rung in _others(resolved) if _offloads(rung)), None)
    return None if found is None else _on(resolved, found)


def _others(resolved: ResolvedRecipe) -> tuple[Rung, ...]:
    """The ways to compute activations again that the recipe does not take, whatever it states."""
    training = resolved.recipe.training
    given = training.activation_checkpointing_kwargs
    taken = given if settled(training.activation_checkpointing) else None
    free = _training(resolved, activation_checkpointing_kwargs={})
    return tuple(rung for rung in rungs(free) if rung.options is not None and rung.options != taken)


def _offloads(rung: Rung) -> bool:
    return bool(rung.options and rung.options.get("offload"))


def _on(resolved: ResolvedRecipe, rung: Rung) -> tuple[str, ResolvedRecipe]:
    assert rung.options is not None
    words = "training.activation_checkpointing: true"
    if rung.options or resolved.recipe.training.activation_checkpointing_kwargs:
        shown = ", ".join(f"{name}: {json.dumps(value)}" for name, value in rung.options.items())
        words = f"training.activation_checkpointing_kwargs: {{{shown}}}"
    return words, climbed(resolved, rung.options)


def _smaller(resolved: ResolvedRecipe) -> tuple[str, ResolvedRecipe] | None:
    """Fewer rows at once, and as many in a step."""
    length = settled(resolved.recipe.data.max_length)
    if used(resolved.levers, "regroups"):
        if settled(resolved.recipe.speed.tokens_per_micro_batch) <= length:
            return None
        words = f"speed.tokens_per_micro_batch: {length}"
        return words, _section(resolved, "speed", tokens_per_micro_batch=length)
    training, least = resolved.recipe.training, resolved.recipe.algorithm.smallest_micro_batch
    rows = settled(training.per_device_train_batch_size)
    steps = settled(training.gradient_accumulation_steps)
    if rows <= least or rows % least:
        return None
    changed = _training(
        resolved,
        per_device_train_batch_size=least,
        gradient_accumulation_steps=steps * (rows // least),
    )
    return f"training.per_device_train_batch_size: {least}", changed


def _eight_bits(resolved: ResolvedRecipe) -> tuple[str, ResolvedRecipe] | None:
    """An optimizer whose state is kept in 8 bits."""
    training = resolved.recipe.training
    options = options_of(training.optim_args)
    now, then = (state_bytes(name, options, HALF) for name in (training.optim, _EIGHT_BITS))
    if now <= then:
        return None
    return f"training.optim: {_EIGHT_BITS}", _training(resolved, optim=_EIGHT_BITS)


def _adapter(resolved: ResolvedRecipe) -> tuple[str, ResolvedRecipe] | None:
    """An adapter in place of all weights, which are then loaded in the type of the computation."""
    recipe = resolved.recipe
    if recipe.adapter is not None or recipe.model.random_init:
        return None
    kinds = {
        k: v for k, v in discover(_ADAPTERS).items() if issubclass(v, Adapter) and v.is_default
    }
    kind = next(iter(kinds))
    model = recipe.model
    if "model.dtype" in resolved.reasons and settled(recipe.launch.mixed_precision) != "no":
        half = "float16" if recipe.launch.mixed_precision == "fp16" else "bfloat16"
        model = model.model_copy(update={"dtype": half})
    whole = {"trainable": None, "trainable_parameters": None, "freeze": ()}
    model = model.model_copy(update={k: v for k, v in whole.items() if getattr(model, k)})
    changed = recipe.model_copy(
        update={"adapter": create(_ADAPTERS, {"type": kind}), "model": model}
    )
    return f"adapter: {kind}", replace(resolved, recipe=changed)


def _four_bits(resolved: ResolvedRecipe) -> tuple[str, ResolvedRecipe] | None:
    """A base in 4 bits, with an adapter where there is none."""
    recipe = resolved.recipe
    made = (recipe.adapter is None and _adapter(resolved)) or None
    if recipe.quantization is not None or (recipe.adapter is None and made is None):
        return None
    facts = resolved.around.model
    if facts is not None and "quantization_config" in facts.config:
        return None
    kinds = {
        name: kind
        for name, kind in discover(_QUANTIZATIONS).items()
        if issubclass(kind, Quantization) and kind.layer_kind == "bnb_4bit"
    }
    kind = next(iter(kinds))
    words, changed = made or ("", resolved)
    recipe = changed.recipe.model_copy(
        update={"quantization": create(_QUANTIZATIONS, {"type": kind})}
    )
    own = f"quantization: {kind}"
    return f"{own} with {words}" if words else own, replace(changed, recipe=recipe)


def _shards(resolved: ResolvedRecipe) -> tuple[str, ResolvedRecipe] | None:
    """Weights in shards, over the devices that there are or the fewest that are enough."""
    launch = resolved.recipe.launch
    if resolved.sharding.shards_weights or settled(launch.use_cpu) or not spreadable(resolved):
        return None
    kinds = {
        name: kind
        for name, kind in discover(_SHARDINGS).items()
        if issubclass(kind, Sharding) and kind.shards_weights
    }
    kind = next(iter(kinds))
    sharding = create(_SHARDINGS, {"type": kind})
    count = max(2, resolved.machine.accelerators, settled(launch.num_processes))
    while True:
        changed = _section(resolved, "launch", strategy=sharding, num_processes=count)
        changed = replace(changed, sharding=sharding)
        cost = compile_cost(changed)
        if cost is None:
            return None
        if count >= _MOST_PROCESSES or cost.memory.total <= (cost.memory.limit or 0):
            return f"launch: {{strategy: {kind}, num_processes: {count}}}", changed
        count *= 2


def _changes(share: float) -> tuple[Change, ...]:
    """Every change, in order; a `share` of the device's memory is to be enough."""
    return (
        _recomputing(share),
        _smaller,
        _offloading,
        _eight_bits,
        _shards,
        _adapter,
        _four_bits,
    )


def _training(resolved: ResolvedRecipe, **values: Any) -> ResolvedRecipe:
    return _section(resolved, "training", **values)


def _section(resolved: ResolvedRecipe, name: str, **values: Any) -> ResolvedRecipe:
    section: BaseModel = getattr(resolved.recipe, name)
    update: Mapping[str, Any] = {name: section.model_copy(update=values)}
    return replace(resolved, recipe=resolved.recipe.model_copy(update=update))
