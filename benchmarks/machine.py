"""What a result depends on besides the code: the machine and the versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from recipe_runner import __version__
from recipe_runner.execute.probe import visible_gpus

_PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers")


def describe() -> dict[str, Any]:
    """The machine, its load (1 minute) and the versions, as JSON values."""
    return {
        "cpu": _cpu(),
        **({"gpus": found} if (found := gpus()) else {}),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "recipe_runner": __version__,
        **{name: version(name) for name in _PACKAGES},
    }


def gpus() -> list[str]:
    """The names of the GPUs that a program would see here."""
    return [name for name, _, _ in visible_gpus()]


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
