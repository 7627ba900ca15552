"""Counts what trains, from the model's configuration: without weights, and without torch."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from math import ceil

from recipe_runner.compiler.compile_trainable import trains_of
from recipe_runner.compiler.estimate import Architecture, Module, modules_of
from recipe_runner.compiler.estimate.known import known_config
from recipe_runner.compiler.estimate.targets import Reach, inward, reach
from recipe_runner.compiler.estimate.weights import weight_bytes
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.components.adapter import Adapter, Measures
from recipe_runner.components.base import settled
from recipe_runner.plan import ParameterPlan, Task, TrainedGroup

_INDEX = re.compile(r"\.\d+\.")


def architecture_of(resolved: ResolvedRecipe) -> Architecture | None:
    """The modules of the recipe's model; None where its configuration or family is not known."""
    facts, recipe = resolved.around.model, resolved.recipe
    published = (facts.config or known_config(facts.path)) if facts is not None else {}
    if not published:
        return None
    config = {**published, **recipe.model.config_overrides}
    stated = json.dumps(config, sort_keys=True)
    task, labels = settled(recipe.model.task), recipe.algorithm.num_labels
    known = _known(stated, task, labels, None)
    rows = _rows(resolved, known) if known is not None else None
    return _known(stated, task, labels, rows) if rows else known


@lru_cache(maxsize=4)
def _known(stated: str, task: Task, labels: int | None, rows: int | None) -> Architecture | None:
    """The modules of a configuration as JSON; several rules ask for the same one."""
    return modules_of(json.loads(stated), task=task, num_labels=labels, rows=rows)


def _rows(resolved: ResolvedRecipe, known: Architecture) -> int | None:
    """Rows that the embeddings are given; None where they stay as they are.

    Source: `execute.model`, which fits them to the tokenizer.
    """
    tokenizer, vocabulary = resolved.recipe.tokenizer, resolved.around.vocabulary
    rows = known.by_name[known.embeddings].inputs
    special = tokenizer.special_tokens.model_dump(exclude_none=True).values()
    tokens = len(vocabulary | {*tokenizer.add_tokens, *special}) if vocabulary else 0
    multiple = tokenizer.resize_embeddings_multiple_of or 1
    if tokens <= rows and rows % multiple == 0:
        return None
    wanted = max(tokens, rows) if rows % multiple else tokens
    return ceil(wanted / multiple) * multiple


def compile_parameters(resolved: ResolvedRecipe) -> ParameterPlan | None:
    """How much trains of how much; None where the model's modules are not known."""
    architecture = architecture_of(resolved)
    if architecture is None:
        return None
    adapter = resolved.recipe.adapter
    trained: int | None
    if adapter is None:
        groups, trained = _in_full(resolved, architecture)
    else:
        groups, trained = _adapted(adapter, architecture)
    if trained is not None:
        trained += resolved.recipe.algorithm.parameters_beside(architecture.hidden_size)
    return ParameterPlan(architecture.total, trained, loaded_bytes(resolved, architecture), groups)


def _in_full(
    resolved: ResolvedRecipe, architecture: Architecture
) -> tuple[tuple[TrainedGroup, ...], int]:
    model = resolved.recipe.model
    chosen = trains_of(architecture.parameters, model)
    trains = {name: size for name, size in architecture.parameters.items() if name in chosen}
    if len(trains) == len(architecture.parameters):
        return (), architecture.total
    sizes: dict[str, int] = {}
    for name, size in trains.items():
        module = name.rpartition(".")[0]
        sizes[module] = sizes.get(module, 0) + size
    return _grouped(sizes), sum(trains.values())


def _adapted(
    adapter: Adapter, architecture: Architecture
) -> tuple[tuple[TrainedGroup, ...], int | None]:
    found = reach(adapter, architecture)
    if found is None or not found.known:
        return (), None
    saved = {name: sum(m.size for m in architecture.below(name)) for name in found.saved}
    turned = inward(adapter, architecture, found.modules)
    own = adapter.parameters(measures(architecture, found.modules, turned))
    beside = _beside(adapter, architecture, found)
    each = {m.name: adapter.parameters(measures(architecture, (m,), turned)) for m in found.modules}
    # Where what layers share is among it, no layer has a part of its own.
    adds_up = own is not None and sum(size or 0 for size in each.values()) == own
    shares = each if adds_up else dict.fromkeys(each)
    groups = (*_grouped(shares), *_grouped(saved))
    if own is None or beside is None:
        return groups, None
    return groups, own + beside + sum(saved.values())


def measures(
    architecture: Architecture, modules: tuple[Module, ...], turned: frozenset[str]
) -> Measures:
    """What an adapter is told of the modules that it is put on; `turned` at their input."""
    return Measures(
        linear={m.name: (m.outputs, m.inputs) for m in modules if m.kind != "norm"},
        hidden_size=architecture.hidden_size,
        num_layers=architecture.num_layers,
        key_value_size=architecture.key_value_size,
        whole={m.name: m.size for m in modules},
        inward=turned,
    )


def _beside(adapter: Adapter, architecture: Architecture, found: Reach) -> int | None:
    """Biases of the base that train with the adapter; None where it is not told."""
    options = adapter.options()
    kind = options.get("bias", "none")
    if options.get("ensure_weight_tying") and architecture.tied:
        return None
    if kind == "none":
        return 0
    if found.saved:
        return None
    if kind == "all":
        return sum(size for name, size in architecture.parameters.items() if "bias" in name)
    return sum(m.shapes["bias"][0] for m in found.modules if "bias" in m.shapes)


def _grouped(sizes: Mapping[str, int | None]) -> tuple[TrainedGroup, ...]:
    groups: dict[str, list[int | None]] = {}
    for name, size in sizes.items():
        groups.setdefault(_INDEX.sub(".*.", name, count=1), []).append(size)
    return tuple(
        TrainedGroup(
            pattern,
            len(members),
            None if None in members else sum(size or 0 for size in members),
        )
        for pattern, members in groups.items()
    )


def loaded_bytes(resolved: ResolvedRecipe, architecture: Architecture) -> int | None:
    """Bytes of the loaded weights; None for a checkpoint that is quantized in a way not known."""
    recipe, facts = resolved.recipe, resolved.around.model
    stored = facts is not None and "quantization_config" in facts.config
    if recipe.quantization is None and stored:
        return None
    return weight_bytes(architecture, settled(recipe.model.dtype), recipe.quantization)
