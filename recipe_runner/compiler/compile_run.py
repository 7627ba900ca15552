"""A resolved recipe in the numbers that its memory and its work follow from."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from recipe_runner.compiler.compile_optimizer import options_of
from recipe_runner.compiler.compile_parameters import (
    architecture_of,
    compile_parameters,
    loaded_bytes,
    measures,
)
from recipe_runner.compiler.compile_trainable import trains_of
from recipe_runner.compiler.estimate import Architecture, Module, modules_of
from recipe_runner.compiler.estimate.activations import FLOAT32, Forward, Trained
from recipe_runner.compiler.estimate.run import Run, Shards
from recipe_runner.compiler.estimate.state import state_bytes, step_bytes
from recipe_runner.compiler.estimate.targets import inward, reach
from recipe_runner.compiler.estimate.weights import WIDTHS, weight_bytes
from recipe_runner.compiler.resolve_joined import attention_of, joins_rows
from recipe_runner.compiler.resolve_speed import used
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.seen import Seen
from recipe_runner.components.adapter import Adapter
from recipe_runner.components.base import settled
from recipe_runner.plan import Feed
from recipe_runner.plan.joined import SEGMENTS

HALF = 2
"""Bytes of a number in 16 bits."""

_SEQUENCES: Mapping[Feed, int] = {
    "pairs": 2,
    "whole_pairs": 2,
    "labelled_pairs": 2,
    "triples": 3,
}
"""Sequences that a row becomes in one forward pass, where it is more than one."""


def run_of(resolved: ResolvedRecipe, seen: Seen | None = None) -> Run | None:
    """The run in numbers; None where the model or what trains of it is not known.

    `seen` is what was found on the model itself, which goes before what is told of it.
    """
    told = architecture_of(resolved)
    architecture = seen.architecture if told is None and seen is not None else told
    if architecture is None:
        return None
    trained = trained_of(resolved, architecture)
    if seen is not None:
        count, trained = seen.trained, trained or Trained()
    else:
        parameters = compile_parameters(resolved)
        if parameters is None or parameters.trained is None:
            return None
        count = parameters.trained
    recipe = resolved.recipe
    training, quantization = recipe.training, recipe.quantization
    shards, forward = shards_of(resolved), forward_of(resolved)
    base = loaded_bytes(resolved, architecture)
    if trained is None or base is None:
        return None
    width = WIDTHS[settled(recipe.model.dtype)]
    if recipe.adapter is not None:
        width = forward.adapter
        base += count * width
    rank = max(trained.ranks.values(), default=0)
    side = min(architecture.hidden_size, round(rank)) if rank else architecture.hidden_size
    state = state_bytes(training.optim, options_of(training.optim_args), width, side)
    if shards.optimizer > 1 and not shards.units:
        # DeepSpeed trains in 16 bits, and keeps the weights in float32 beside the state.
        state = state_bytes(training.optim, options_of(training.optim_args), FLOAT32, side)
        base, width, state = round(base * HALF / width), HALF, state + FLOAT32
    tokens = tokens_of(resolved)
    run = Run(
        architecture=architecture,
        trained=trained,
        forward=forward,
        tokens=tokens,
        scored=tokens,
        base=base,
        count=count,
        width=width,
        state=state,
        step=step_bytes(training.optim, width, cpu=forward.cpu),
        beside=_beside(resolved, architecture) if quantization is None else 0,
        accumulates=passes_of(resolved) > 1,
        offloads_all=bool(recipe.algorithm.options().get("activation_offloading")),
        tiled=recipe.algorithm.reads_head and not recipe.algorithm.holds_logits,
        once=used(resolved.levers, "scores_once") and not recipe.algorithm.compares_words,
        sums_up=recipe.algorithm.options().get("loss_type") == "nll",
        shards=shards,
        traced=seen.kept if seen is not None else None,
    )
    if resolved.sharding.checkpoints_activations:
        return replace(run, checkpointed=1)
    if not settled(training.activation_checkpointing):
        return run
    return recomputing(run, training.activation_checkpointing_kwargs)


def recomputing(run: Run, options: Mapping[str, Any]) -> Run:
    """The run with activations that are computed again as `activation_checkpointing_kwargs` say."""
    every = options.get("every_n_layers")
    return replace(
        run,
        checkpointed=every if isinstance(every, int) and every > 0 else 1,
        selective=bool(options.get("selective")),
        offloads=bool(options.get("offload")),
    )


def forward_of(resolved: ResolvedRecipe) -> Forward:
    """How the forward pass of the run computes."""
    recipe = resolved.recipe
    cpu = settled(recipe.launch.use_cpu)
    stream = WIDTHS[settled(recipe.model.dtype)]
    autocast = settled(recipe.launch.mixed_precision) != "no"
    shards = shards_of(resolved)
    if autocast and (shards.units or shards.optimizer > 1):
        stream = HALF  # weights are gathered, or kept, in 16 bits
    packed = recipe.quantization is not None and recipe.quantization.layer_kind.startswith("bnb")
    options = recipe.adapter.options() if recipe.adapter is not None else {}
    dropout = next((v for k, v in options.items() if k.endswith("dropout")), 0)
    rows = settled(recipe.training.per_device_train_batch_size)
    joined = joins_rows(recipe) or used(resolved.levers, "joins")
    return Forward(
        stream=stream,
        compute=HALF if autocast else stream,
        autocast=autocast,
        cpu=cpu,
        # TRL trains the adapters of a quantized base in bfloat16, PEFT others in float32.
        adapter=HALF if packed else FLOAT32,
        dropout=bool(dropout),
        length=_length(resolved),
        casts_inputs=not used(resolved.levers, "keeps_inputs"),
        fused=used(resolved.levers, "keeps_less"),
        fused_adapter=recipe.adapter is not None and recipe.adapter.is_product,
        masked=rows > 1 and not joined,
        eager=attention_of(recipe) == "eager",
        segments=cpu and joined and attention_of(recipe) in (None, SEGMENTS),
    )


def trained_of(resolved: ResolvedRecipe, architecture: Architecture) -> Trained | None:
    """What trains of the model; None where an adapter is on parts that are not followed."""
    adapter = resolved.recipe.adapter
    if adapter is None:
        return Trained(trains_of(architecture.parameters, resolved.recipe.model))
    found = reach(adapter, architecture)
    if found is None or not found.known:
        return None
    saved = frozenset(
        f"{m.name}.{key}"
        for name in found.saved
        for m in architecture.below(name)
        for key in m.shapes
    )
    turned = inward(adapter, architecture, found.modules)
    ranks = {
        m.name: _rank(adapter, architecture, m, turned) for m in found.modules if m.kind == "linear"
    }
    return Trained(saved, ranks)


def tokens_of(resolved: ResolvedRecipe) -> int:
    """Tokens of a micro-batch of one process, of rows that are all of full length."""
    recipe = resolved.recipe
    steps = settled(recipe.training.gradient_accumulation_steps)
    whole = tokens_of_step(resolved)
    if used(resolved.levers, "regroups"):
        return min(settled(recipe.speed.tokens_per_micro_batch), whole)
    return whole // steps


def tokens_of_step(resolved: ResolvedRecipe) -> int:
    """Tokens of an optimizer step of one process, of rows that are all of full length."""
    recipe = resolved.recipe
    rows = settled(recipe.training.per_device_train_batch_size)
    steps = settled(recipe.training.gradient_accumulation_steps)
    return rows * steps * _length(resolved) * _SEQUENCES.get(recipe.algorithm.feed, 1)


def passes_of(resolved: ResolvedRecipe) -> int:
    """Micro-batches of an optimizer step of one process."""
    return -(-tokens_of_step(resolved) // tokens_of(resolved))


def _length(resolved: ResolvedRecipe) -> int:
    recipe = resolved.recipe
    answer = recipe.algorithm.answer_length if recipe.algorithm.feed == "prompts" else 0
    return settled(recipe.data.max_length) + answer


def _rank(
    adapter: Adapter, architecture: Architecture, module: Module, turned: frozenset[str]
) -> float:
    """Numbers between the two matrices of an adapted layer, as its parameters tell."""
    size = adapter.parameters(measures(architecture, (module,), turned)) or 0
    return size / (module.inputs + module.outputs)


def shards_of(resolved: ResolvedRecipe) -> Shards:
    """How the processes of the run share its state."""
    count = settled(resolved.recipe.launch.num_processes)
    if count == 1:
        return Shards()
    sharding = resolved.sharding
    options = sharding.options()
    if sharding.shards_weights:
        away = bool(options.get("cpu_offload"))
        return Shards(count, count, count, count, True, False, away, away)
    stage = options.get("zero_stage")
    if stage is None:
        return Shards(count, buckets=True)
    return Shards(
        processes=count,
        weights=count if stage >= 3 else 1,
        gradients=count if stage >= 2 else 1,
        optimizer=count if stage >= 1 else 1,
        units=stage >= 3,
        offloaded_weights=options.get("offload_param_device", "none") != "none",
        offloaded_optimizer=options.get("offload_optimizer_device", "none") != "none",
    )


def _beside(resolved: ResolvedRecipe, architecture: Architecture) -> int:
    """Bytes of models beside the one that trains: a copy of it, and others that are known."""
    recipe = resolved.recipe
    algorithm = recipe.algorithm
    total = 0
    copied = algorithm.needs_reference and recipe.adapter is None
    if copied and not algorithm.options().get("precompute_ref_log_probs"):
        total += weight_bytes(architecture, settled(recipe.model.dtype), None)
    for role in algorithm.models():
        facts = resolved.around.others.get(role)
        other = modules_of(facts.config) if facts is not None else None
        total += other.total * HALF if other is not None else 0
    return total
