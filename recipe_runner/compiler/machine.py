"""A machine by its name: `8xH100-80GB`, `2xA100-40GB`, `cpu`, `cpu-16`.

The compiler never looks at the hardware. A description comes from this reader,
from the probe of the running machine, or from a test.
"""

import re

from recipe_runner.compiler.codes import UNKNOWN_MACHINE
from recipe_runner.components.base import settled
from recipe_runner.components.sharding import Sharding
from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place
from recipe_runner.plan import MachinePlan
from recipe_runner.recipe.schema import Recipe

_GPU = re.compile(
    r"(?:(?P<count>\d+)x)?(?P<kind>[A-Za-z][A-Za-z0-9]*)(?:-(?P<gib>\d+(?:\.\d+)?)GB)?",
    re.IGNORECASE,
)
_CPU = re.compile(r"cpu(?:-(?P<cpus>\d+))?")

_MEMORY = {
    "A100": 80,
    "A10G": 24,
    "A10": 24,
    "A40": 48,
    "A6000": 48,
    "B200": 180,
    "H100": 80,
    "H200": 141,
    "L4": 24,
    "L40S": 48,
    "RTX3090": 24,
    "RTX4090": 24,
    "RTX5090": 32,
    "T4": 16,
    "V100": 32,
}
"""GiB of the usual variant of each GPU, by their makers' data sheets."""

_WITHOUT_BF16 = frozenset({"T4", "V100", "P100"})
"""Volta, Turing and older: bfloat16 came with Ampere (compute capability 8.0)."""

_FITTING = "a machine that fits the recipe"


def machine(name: str) -> MachinePlan:
    """Read a machine's name. Raises `DiagnosticError` with RR415 where it has another form."""
    if found := _CPU.fullmatch(name.lower()):
        cpus = int(found["cpus"] or 8)
        return MachinePlan("cpu", 0, 64.0, cpus, bf16=False, source=name, memory_known=False)
    found = _GPU.fullmatch(name)
    kind = found["kind"].upper() if found else ""
    if found is None or int(found["count"] or 1) == 0:
        message = f"`{name}` is not the name of a machine"
        raise DiagnosticError(
            Diagnostic(
                UNKNOWN_MACHINE,
                message,
                Place(f"--machine {name}"),
                "write it as 8xH100-80GB, A100-40GB or cpu, or name a machine file",
            )
        )
    if not found["gib"] and kind not in _MEMORY:
        known = ", ".join(sorted(_MEMORY))
        message = f"`{name}` is not the name of a machine: the memory of {kind} is not known"
        help_text = f"write it too, such as {name}-80GB; it may be left out for {known}"
        raise DiagnosticError(
            Diagnostic(UNKNOWN_MACHINE, message, Place(f"--machine {name}"), help_text)
        )
    count = int(found["count"] or 1)
    memory = float(found["gib"] or _MEMORY[kind])
    return MachinePlan(
        kind, count, memory, cpus=8 * count, bf16=kind not in _WITHOUT_BF16, source=name
    )


def fitting(recipe: Recipe) -> MachinePlan:
    """A machine that has what `recipe` asks for: its number of GPUs, with bfloat16.

    Where it states none, that is two for a strategy of many processes, and else one.

    A check without a machine uses it, so that the same recipe gets the same answer on a
    laptop and on a cluster. Where the recipe asks for the CPU, the machine has no GPU.
    """
    launch = recipe.launch
    if launch.use_cpu is True:
        return MachinePlan("cpu", 0, 64.0, cpus=8, bf16=False, source=_FITTING, memory_known=False)
    usual = 2 if isinstance(launch.strategy, Sharding) and launch.strategy.many else 1
    stated = usual if launch.num_processes == "auto" else settled(launch.num_processes)
    count = max(1, stated // launch.num_machines)
    return MachinePlan(
        "GPU", count, 80.0, cpus=8 * count, bf16=True, source=_FITTING, memory_known=False
    )
