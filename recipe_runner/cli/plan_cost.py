"""What a run takes, for a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from recipe_runner.cli.layout import Line, counted
from recipe_runner.plan import CostPlan, Plan

_GIB = 2**30
_THIS = "this machine"


def cost_lines(plan: Plan, cost: CostPlan) -> Iterator[Line]:
    """Memory by its parts, work, time and disk, as the formula tells them."""
    memory = cost.memory
    room = f" of {memory.limit / _GIB:.0f} GiB" if memory.limit is not None else ""
    parts = (
        (each.name, getattr(memory, each.name)) for each in fields(memory) if each.name != "limit"
    )
    shares = ", ".join(
        f"{name} {_size(size)}" for name, size in parts if size >= 0.01 * memory.total
    )
    yield (
        "memory",
        f"{_size(memory.total)}{room} at the fullest, within {cost.expected_error:.0%}: {shares}",
    )
    yield (
        "tokens",
        f"up to {cost.tokens_per_micro_batch:,} a pass and {cost.tokens_per_step:,} a step, "
        f"{cost.flops_per_token / 1e9:.3g} GFLOP each",
    )
    yield from _time(plan, cost)
    yield "checkpoint", f"{_size(cost.checkpoint_bytes)} on disk"


def _time(plan: Plan, cost: CostPlan) -> Iterator[Line]:
    """Time, energy and price of training on full rows, without evaluation and saving."""
    from recipe_runner.execute.screen import duration

    machine, total = plan.machine, plan.steps.total
    seconds, speed = cost.seconds_per_step, cost.tokens_per_second
    if seconds is None or speed is None:
        if machine.source == _THIS and not machine.flops:
            yield "time", "not known: `recipe-run calibrate` measures this machine"
        return
    step = f"{seconds:.3g} s" if seconds < 60 else duration(seconds)
    rate = (
        f"{step} a step and {speed:,.0f} tokens/s on full rows, within {cost.time_error or 0:.0%}"
    )
    if total is None:
        yield "time", rate
    else:
        yield "time", f"up to {duration(seconds * total)} for {counted(total, 'step')}: {rate}"
    if total is None:
        return
    hours = seconds * total / 3600 * plan.launch.num_machines
    if machine.watts is not None:
        yield "energy", f"up to {_amount(hours * machine.watts / 1000)} kWh"
    if machine.price_per_hour is not None:
        yield "price", f"up to {_amount(hours * machine.price_per_hour)} {machine.currency or ''}"


def _amount(value: float) -> str:
    """Such as 0.042, 3.1, 42 or 1,300: more digits would be made up."""
    if value >= 100:
        return f"{float(f'{value:.2g}'):,.0f}"
    return f"{value:.2g}"


def _size(size: int) -> str:
    return f"{size / _GIB:.1f} GiB" if size >= 0.1 * _GIB else f"{size / 2**20:.0f} MiB"
