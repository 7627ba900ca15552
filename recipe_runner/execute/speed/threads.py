"""Threads of the process, which the plan's environment has set before PyTorch was loaded."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from recipe_runner.execute.speed.refused import Refused
from recipe_runner.plan import Plan


def put_on(plan: Plan, trainer: Any, stack: ExitStack) -> Callable[[], str]:
    """Tell how many there are. Raises `Refused` where the user's own environment says another number."""
    import torch

    del trainer, stack
    wanted, there = plan.launch.environment.get("OMP_NUM_THREADS"), torch.get_num_threads()
    if wanted is not None and there != int(wanted):
        raise Refused(f"OMP_NUM_THREADS of the environment makes it {there} threads")
    return lambda: f"{there} threads"
