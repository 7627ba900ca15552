"""What a run takes, from the model's configuration: without weights, and without torch."""

from recipe_runner.compiler.compile_run import passes_of, run_of, tokens_of_step
from recipe_runner.compiler.estimate import modules_of
from recipe_runner.compiler.estimate.activations import FLOAT32
from recipe_runner.compiler.estimate.duration import ERRORS, Load, Speeds, seconds_per_step
from recipe_runner.compiler.estimate.memory import memory
from recipe_runner.compiler.estimate.run import Run
from recipe_runner.compiler.estimate.weights import WIDTHS
from recipe_runner.compiler.estimate.work import flops_per_token
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.seen import Seen
from recipe_runner.components.base import settled
from recipe_runner.plan import CostPlan

_ERRORS = {"usual": 0.1, "experts": 0.15, "sharded": 0.2, "other adapter": 0.2, "answers": 0.3}
"""Expected error of the memory, by the hardest thing that a run has."""


def compile_cost(resolved: ResolvedRecipe, seen: Seen | None = None) -> CostPlan | None:
    """What the run takes; None where the model's modules, or what trains of them, are not known.

    `seen` is what was found on the model itself.
    """
    run = run_of(resolved, seen)
    if run is None:
        return None
    recipe = resolved.recipe
    beside = _beside(resolved, run)
    seconds = _seconds(resolved, run)
    return CostPlan(
        memory=memory(run, limit=limit_of(resolved)),
        tokens_per_micro_batch=run.tokens,
        tokens_per_step=tokens_of_step(resolved) * settled(recipe.launch.num_processes),
        flops_per_token=flops_per_token(run.architecture, run.trained, beside, run.forward.length),
        checkpoint_bytes=_checkpoint(resolved, run),
        expected_error=_error(resolved, run),
        seconds_per_step=seconds,
        time_error=_time_error(run) if seconds is not None else None,
    )


def limit_of(resolved: ResolvedRecipe) -> int | None:
    """Bytes of memory that a process may have of its device; None where they are not known."""
    machine, launch = resolved.machine, resolved.recipe.launch
    if not machine.memory_known:
        return None
    sharing = settled(launch.num_processes) if settled(launch.use_cpu) else 1
    return round(machine.memory_gib * 2**30 / sharing)


def load_of(resolved: ResolvedRecipe, run: Run) -> Load | None:
    """What a step is; None where its time is not that of training alone, or not known."""
    recipe, algorithm = resolved.recipe, resolved.recipe.algorithm
    if algorithm.generates:
        return None
    others = 0.0
    for role in algorithm.models():
        facts = resolved.around.others.get(role)
        other = modules_of(facts.config) if facts is not None else None
        if role != "ref_model" and other is None:
            return None
        if role != "ref_model" and other is not None:
            others += 2 * other.total
    quantized = recipe.quantization is not None and recipe.quantization.layer_kind.startswith("bnb")
    inside = (m.size for layer in run.architecture.by_layer for m in layer if m.kind == "linear")
    return Load(
        micro_batches=passes_of(resolved),
        beside=_beside(resolved, run),
        compares=algorithm.needs_reference
        and not algorithm.options().get("precompute_ref_log_probs"),
        others=others,
        packed=sum(inside) if quantized else 0,
    )


def _beside(resolved: ResolvedRecipe, run: Run) -> int:
    """Parameters that train beside the model's own."""
    return 0 if resolved.recipe.adapter is None else run.count


def _seconds(resolved: ResolvedRecipe, run: Run) -> float | None:
    """Seconds of a step; None where the machine was not measured."""
    load, speeds = load_of(resolved, run), speeds_of(resolved, run)
    return None if load is None or speeds is None else seconds_per_step(run, load, speeds)


def speeds_of(resolved: ResolvedRecipe, run: Run) -> Speeds | None:
    """The rates of the device of a process; None where the machine was not measured."""
    machine, recipe = resolved.machine, resolved.recipe
    kind = "float32"
    if run.forward.compute < FLOAT32:
        kind = "bfloat16"
    elif recipe.training.tf32 is True and not run.forward.cpu:
        kind = "tfloat32"
    rate = machine.flops.get(kind)
    # A machine with GPUs was measured on them.
    elsewhere = run.forward.cpu and machine.accelerators > 0
    if rate is None or machine.bandwidth is None or elsewhere:
        return None
    sharing = settled(recipe.launch.num_processes) if run.forward.cpu else 1
    return Speeds(rate / sharing, machine.bandwidth / sharing)


def _time_error(run: Run) -> float:
    if run.shards.processes > 1:
        return ERRORS["sharded"]
    return ERRORS["cpu" if run.forward.cpu else "gpu"]


def _checkpoint(resolved: ResolvedRecipe, run: Run) -> int:
    """Bytes of a checkpoint: weights that train, with what the optimizer keeps of them."""
    recipe = resolved.recipe
    weights = run.count * run.width
    if recipe.adapter is None:
        weights = run.architecture.total * WIDTHS[settled(recipe.model.dtype)]
    state = 0 if recipe.training.save_only_model else run.count * run.state
    return round(weights + state)


def _error(resolved: ResolvedRecipe, run: Run) -> float:
    adapter, algorithm = resolved.recipe.adapter, resolved.recipe.algorithm
    odd = adapter is not None and (adapter.rank_field is None or adapter.options().get("use_dora"))
    hard = {
        "experts": run.architecture.has_experts,
        "sharded": run.shards.processes > 1,
        "other adapter": bool(odd) and run.traced is None,
        "answers": algorithm.generates or not run.tiled,
    }
    return max(_ERRORS["usual"], *(_ERRORS[name] for name, there in hard.items() if there), 0)
