"""The speed part of a plan: the levers, and what would be faster with other numbers."""

from collections.abc import Iterator

from recipe_runner.compiler.resolve_joined import joins_rows
from recipe_runner.compiler.resolve_speed import lever_of, used
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.components.base import settled
from recipe_runner.plan import CostPlan, LeverPlan, Proposal, SpeedPlan

_REPAID = 20
"""What takes its time to begin is proposed for runs that take so many times as long."""


def compile_speed(resolved: ResolvedRecipe, cost: CostPlan | None) -> SpeedPlan:
    """The levers as they have been judged, and proposals where any of them is used."""
    levers = resolved.levers
    most = (
        settled(resolved.recipe.speed.tokens_per_micro_batch) if used(levers, "regroups") else None
    )
    proposals = (*_proposals(resolved), *_of_levers(resolved, cost))
    return SpeedPlan(levers, proposals if any(_applies(each) for each in levers) else (), most)


def _applies(lever: LeverPlan) -> bool:
    return lever.state == "applied"


def _of_levers(resolved: ResolvedRecipe, cost: CostPlan | None) -> Iterator[Proposal]:
    """The levers that only the recipe's word is missing for."""
    total, step = resolved.total_steps, cost.seconds_per_step if cost is not None else None
    seconds = total * step if total is not None and step is not None else None
    if seconds is None:
        seconds = 0.0 if settled(resolved.recipe.launch.use_cpu) else float("inf")
    for each in resolved.levers:
        lever = lever_of(each.name)
        if each.asks and lever.is_proposed and seconds >= _REPAID * lever.seconds_to_begin:
            yield Proposal(f"speed.{each.name}", "on", lever.gain, each.because)


def _proposals(resolved: ResolvedRecipe) -> Iterator[Proposal]:
    """What the recipe leaves lying, in the order of what it brings."""
    recipe, machine = resolved.recipe, resolved.machine
    cpu = settled(recipe.launch.use_cpu)
    precision = settled(recipe.launch.mixed_precision)
    training = recipe.training
    if recipe.algorithm.supports_packing and not joins_rows(recipe):
        yield Proposal(
            "data.packing",
            "bfd",
            "up to 2.6 times where rows are short: `python -m benchmarks packing`",
            "fewer, fuller rows: another number of samples in a step, and of steps in an epoch",
        )
    if cpu and machine.bf16 and precision == "no":
        yield Proposal(
            "launch.mixed_precision",
            "bf16",
            "about 1.3 times on a CPU that has bfloat16",
            "products are rounded to 8 bits of mantissa",
        )
    if not cpu and machine.bf16 and training.tf32 is not True and precision == "no":
        yield Proposal(
            "training.tf32",
            "true",
            "matrices of float32 several times faster, by NVIDIA's data sheet of the A100",
            "products of float32 are rounded to 10 bits of mantissa",
        )
    if not cpu and recipe.adapter is None and training.optim.startswith("adamw_torch"):
        yield Proposal(
            "training.optim",
            "adamw_bnb_8bit",
            "6 bytes less for each parameter, 5% slower, by torchtune",
            "the optimizer's state is rounded to 8 bits",
        )
