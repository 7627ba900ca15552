"""The file of a measured machine: where it is, and its text. Imports the standard library only."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recipe_runner.execute.cache_root import cache_root
from recipe_runner.plan import MachinePlan

VERSION = 1

_CPUS = Path("/proc/cpuinfo")
_ABOUT = """\
# What `recipe-run calibrate` measured. `recipe-run plan` tells time from it.
"""
_OPEN = """\
# Of the whole machine, for energy and price in plans; write what you know:
# watts: 350
# price_per_hour: 2.5
# currency: EUR
"""


def place_of(machine: MachinePlan) -> Path:
    """Where the file of this machine is. Machines that share the cache have files of their own."""
    if machine.accelerators:
        name = f"{machine.accelerators}x {machine.kind} {machine.cpus}"
    else:
        name = f"{machine.kind} {machine.cpus} {processor()}"
    return (
        cache_root() / "machines" / (re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") + ".yaml")
    )


def processor() -> str:
    """The name of the CPU, as the system tells it."""
    try:
        text = _CPUS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    names = (line.partition(":")[2] for line in text.splitlines() if line.startswith("model name"))
    return next(names, platform.machine()).strip()


def described(machine: MachinePlan, measured: Mapping[str, Any]) -> dict[str, Any]:
    """The content of the file; `measured` says when, and with what."""
    told: dict[str, Any] = {
        "version": VERSION,
        "machine": {
            name: getattr(machine, name)
            for name in ("kind", "accelerators", "memory_gib", "cpus", "bf16")
        },
        "rates": {name: float(f"{rate:.4g}") for name, rate in machine.flops.items()},
    }
    for name in ("bandwidth", "watts", "price_per_hour", "currency"):
        value = getattr(machine, name)
        if value is not None:
            told[name] = float(f"{value:.4g}") if name == "bandwidth" else value
    return {**told, "measured": dict(measured)}


def text_of(content: Mapping[str, Any]) -> str:
    """The content as YAML, for a person to read and to add to."""
    lines = [_ABOUT]
    for name, value in content.items():
        if isinstance(value, Mapping) and value:
            lines.append(f"{name}:\n")
            lines.extend(f"  {key}: {_scalar(each)}\n" for key, each in value.items())
        else:
            lines.append(f"{name}: {_scalar(value)}\n")
    if "watts" not in content or "price_per_hour" not in content:
        lines.append(_OPEN)
    return "".join(lines)


def _scalar(value: Any) -> str:
    # JSON's scalars are YAML's; exponents keep twelve zeros from being counted.
    large = isinstance(value, float) and value >= 1e6
    return f"{value:.3e}" if large else json.dumps(value, ensure_ascii=False)
