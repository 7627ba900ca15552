"""The speed part of a plan: the levers, and what would be faster with other numbers."""

from collections.abc import Iterator

from recipe_runner.compiler.resolve_joined import joins_rows
from recipe_runner.compiler.resolve_speed import used
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.components.base import settled
from recipe_runner.plan import Proposal, SpeedPlan


def compile_speed(resolved: ResolvedRecipe) -> SpeedPlan:
    """The levers as they have been judged, and proposals where any of them is used."""
    levers = resolved.levers
    most = (
        settled(resolved.recipe.speed.tokens_per_micro_batch) if used(levers, "regroups") else None
    )
    return SpeedPlan(levers, tuple(_proposals(resolved)), most)


def _proposals(resolved: ResolvedRecipe) -> Iterator[Proposal]:
    """What the recipe leaves lying, in the order of what it brings."""
    recipe, machine = resolved.recipe, resolved.machine
    cpu = settled(recipe.launch.use_cpu)
    precision = settled(recipe.launch.mixed_precision)
    training = recipe.training
    if not any(each.state == "applied" for each in resolved.levers):
        return
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
    if not cpu and not training.torch_compile:
        yield Proposal(
            "training.torch_compile",
            "true",
            "1.14 to 1.27 times after minutes of compiling, by torchtune and torchtitan",
            "fused operations are rounded less often, and batches need one shape",
        )
    if not cpu and recipe.adapter is None and training.optim.startswith("adamw_torch"):
        yield Proposal(
            "training.optim",
            "adamw_bnb_8bit",
            "6 bytes less for each parameter, 5% slower, by torchtune",
            "the optimizer's state is rounded to 8 bits",
        )
