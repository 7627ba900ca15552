"""How a run is started: processes, machines, accelerate's configuration, environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

THIS_MACHINE = "this machine"
"""The `source` of a machine that a run was planned on."""


@dataclass(frozen=True)
class MachinePlan:
    """The hardware the plan was made for.

    `accelerators` counts the devices of one machine, 0 for CPU only; `kind` is such
    as "H100" or "cpu"; memory is in GiB per device, and only assumed where not `memory_known`.

    The rest is there where the machine was measured: `flops`, by the type that it multiplies in
    ("float32", "bfloat16", "tfloat32"), are operations per second of one device, or of all cores
    of a CPU; `bandwidth` is bytes per second that it reads and writes. `watts` and
    `price_per_hour`, in `currency`, are those of the whole machine.
    """

    kind: str
    accelerators: int
    memory_gib: float
    cpus: int
    bf16: bool
    source: str
    memory_known: bool = True
    flops: Mapping[str, float] = field(default_factory=dict)
    bandwidth: float | None = None
    watts: float | None = None
    price_per_hour: float | None = None
    currency: str | None = None


@dataclass(frozen=True)
class LaunchPlan:
    """One process runs in the caller's own process; several through `accelerate launch`.

    `command` is the argument list that starts this run on one machine from the run
    directory's files; `accelerate_config` is the content of the file it names, None
    for one process. `environment` is set before upstream libraries are imported.
    """

    strategy: str
    num_processes: int
    num_machines: int
    mixed_precision: str
    command: tuple[str, ...]
    accelerate_config: Mapping[str, Any] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
