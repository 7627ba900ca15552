"""Describes this machine without torch: CPUs, memory, GPUs. Imports the standard library only."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

from recipe_runner.plan import MachinePlan
from recipe_runner.plan.launch import THIS_MACHINE

_GIB = 2**30
_CGROUP = Path("/sys/fs/cgroup")
_CPUS = Path("/proc/cpuinfo")
_BF16_CAPABILITY = 8.0  # Ampere; nvidia-smi reports "8.0", "9.0", ...


def this_machine() -> MachinePlan:
    """The machine of this process, as a plan names it; GPUs that are hidden do not count."""
    cpus = cpu_count()
    gpus = visible_gpus()
    if gpus:
        name, _, capability = gpus[0]
        return MachinePlan(
            kind=name,
            accelerators=len(gpus),
            memory_gib=round(min(memory for _, memory, _ in gpus) / 1024, 1),
            cpus=cpus,
            bf16=capability >= _BF16_CAPABILITY,
            source=THIS_MACHINE,
        )
    return MachinePlan(
        kind="cpu",
        accelerators=0,
        memory_gib=round(memory_bytes() / _GIB, 1),
        cpus=cpus,
        bf16=_cpu_has_bf16(),
        source=THIS_MACHINE,
    )


def cpu_count() -> int:
    """CPUs this process may use: its affinity, and the container's quota where there is one."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    count = available or os.cpu_count() or 1
    quota = _read_words(_CGROUP / "cpu.max")
    if len(quota) == 2 and quota[0] != "max":
        count = min(count, max(1, int(quota[0]) // int(quota[1])))
    return count


def _cpu_has_bf16() -> bool:
    """True where the CPU multiplies in bfloat16 itself; elsewhere it would be slower."""
    try:
        text = _CPUS.read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "").split()
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags)


def memory_bytes() -> int:
    """Main memory this process may use: the machine's, or the container's limit if lower."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _read_words(_CGROUP / "memory.max")
    if limit and limit[0].isdigit():
        total = min(total, int(limit[0]))
    return total


def visible_gpus() -> list[tuple[str, float, float]]:
    """Name, memory in MiB and compute capability of each NVIDIA GPU that CUDA would show."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = "--query-gpu=index,uuid,name,memory.total,compute_cap"
    try:
        answer = subprocess.run(
            [program, query, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    if answer.returncode != 0:
        return []
    rows = [[cell.strip() for cell in line.split(",")] for line in answer.stdout.splitlines()]
    gpus = {row[0]: row for row in rows if len(row) == 5}
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    chosen = list(gpus.values()) if wanted is None else _select(gpus, wanted)
    return [(row[2].removeprefix("NVIDIA "), _number(row[3]), _number(row[4])) for row in chosen]


def _select(gpus: dict[str, list[str]], wanted: str) -> list[list[str]]:
    """The GPUs that `CUDA_VISIBLE_DEVICES` names; like CUDA, stop at the first unknown one."""
    chosen = []
    for name in filter(None, (part.strip() for part in wanted.split(","))):
        match = [row for row in gpus.values() if name == row[0] or row[1].startswith(name)]
        if not match:
            break
        chosen.append(match[0])
    return chosen


def _number(text: str) -> float:
    """A number of nvidia-smi, which writes `[N/A]` for what a device does not have."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def _read_words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except OSError:
        return []


def host_name() -> str:
    """The name of this machine on its network."""
    return platform.node()
