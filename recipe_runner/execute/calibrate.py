"""Measures this machine: how fast it multiplies matrices, and how fast it moves memory."""

from __future__ import annotations

import datetime
import importlib.util
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from recipe_runner.execute.codes import before
from recipe_runner.execute.fault import fault
from recipe_runner.plan import MachinePlan

Told = Callable[[str], None]
Clock = Callable[[], float]

_SIDES = {"cpu": (512, 4096), "cuda": (2048, 8192)}
"""Smallest and largest side of the matrices; larger ones are no faster."""

_LONG = 0.05
"""Seconds that a product takes at least, so that starting it does not count."""

_COPIED = {"cpu": 2**28, "cuda": 2**30}
"""Bytes that are copied: more than caches hold."""

_LEAST = 3
"""Times that each measurement is taken, however long one takes."""


@dataclass(frozen=True)
class Calibrated:
    """The machine with what was measured on it, and how it was."""

    machine: MachinePlan
    measured: Mapping[str, Any]


def calibrate(machine: MachinePlan, *, seconds: float, told: Told) -> Calibrated:
    """Measure `machine`, which is this one, for about `seconds`. Reports RR601 without torch.

    On the device that a run would use, with as many threads as it would have.
    """
    if importlib.util.find_spec("torch") is None:
        raise fault(
            before.PACKAGE_MISSING,
            "calibrate",
            "torch is not installed, and measuring needs it",
            "pip install 'recipe-runner[train]'",
        )
    # Before torch is loaded, and where the user has not said how many, as a run does.
    os.environ.setdefault("OMP_NUM_THREADS", str(machine.cpus))
    import torch

    from recipe_runner.execute.machine_file import processor

    device = "cuda" if machine.accelerators and torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else processor()
    threads = torch.get_num_threads()
    with_threads = f", {threads} threads" if device == "cpu" and threads > 1 else ""
    told(f"measuring {name}{with_threads}")
    kinds = ("float32", "bfloat16", *(("tfloat32",) if device == "cuda" else ()))
    share = seconds / (len(kinds) + 1)
    flops = {}
    for kind in kinds:
        flops[kind] = products(device, kind, share)
        told(f"  {kind:9} {flops[kind] / 1e12:10.3f} TFLOP/s")
    bandwidth = copies(device, share)
    told(f"  {'memory':9} {bandwidth / 1e9:10.1f} GB/s read and written")
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    about: dict[str, Any] = {"at": now, "on": name, "torch": str(torch.__version__)}
    if device == "cpu":
        about["threads"] = threads
    return Calibrated(replace(machine, flops=flops, bandwidth=bandwidth), about)


def products(device: str, kind: str, seconds: float, clock: Clock = time.perf_counter) -> float:
    """Operations per second of the fastest product of two square matrices."""
    import torch

    dtype = torch.bfloat16 if kind == "bfloat16" else torch.float32
    as_it_was = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = kind == "tfloat32"
    try:
        side, largest = _SIDES[device]
        while True:
            work = _product(torch, device, dtype, side)
            work()  # the first time loads kernels
            if side == largest or _timed(torch, device, work, clock) >= _LONG:
                return 2 * side**3 / _best(torch, device, work, seconds, clock)
            side *= 2
    finally:
        torch.backends.cuda.matmul.allow_tf32 = as_it_was


def copies(device: str, seconds: float, clock: Clock = time.perf_counter) -> float:
    """Bytes per second that a copy reads and writes."""
    import torch

    source = torch.zeros(_COPIED[device] // 4, device=device)
    target = torch.empty_like(source)

    def work() -> Any:
        return target.copy_(source)

    work()  # the first time touches the pages
    return 2 * _COPIED[device] / _best(torch, device, work, seconds, clock)


def _product(torch: Any, device: str, dtype: Any, side: int) -> Callable[[], Any]:
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    out = torch.empty(side, side, device=device, dtype=dtype)
    return lambda: torch.mm(left, right, out=out)


def _best(torch: Any, device: str, work: Callable[[], Any], seconds: float, clock: Clock) -> float:
    """Seconds of the fastest of several times: others are slowed down by what else runs here."""
    found: list[float] = []
    end = time.perf_counter() + seconds
    while len(found) < _LEAST or time.perf_counter() < end:
        found.append(_timed(torch, device, work, clock))
    return min(found)


def _timed(torch: Any, device: str, work: Callable[[], Any], clock: Clock) -> float:
    started = clock()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - started
