"""What a run takes, for a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from recipe_runner.cli.layout import Line, counted
from recipe_runner.plan import CostPlan, Plan
from recipe_runner.plan.launch import THIS_MACHINE

_GIB = 2**30


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
    yield from _traced(cost)
    yield (
        "tokens",
        f"up to {cost.tokens_per_micro_batch:,} a pass and {cost.tokens_per_step:,} a step, "
        f"{cost.flops_per_token / 1e9:.3g} GFLOP each",
    )
    yield from _time(plan, cost)
    yield "checkpoint", f"{_size(cost.checkpoint_bytes)} on disk{_kept(plan, cost)}"


def _kept(plan: Plan, cost: CostPlan) -> str:
    """What the checkpoints take that are there at once, where that is more than one."""
    arguments = plan.arguments.arguments
    most = arguments.get("save_total_limit")
    if most is None or most < 2 or arguments.get("save_strategy") == "no":
        return ""
    return f" each, {_size(most * cost.checkpoint_bytes)} for the {most} that are kept"


def _traced(cost: CostPlan) -> Iterator[Line]:
    """What was found on the model itself, beside what its configuration tells."""
    traced = cost.traced
    if traced is None:
        return
    words = f"activations {_size(traced.activations)}, on tensors without content"
    if traced.by_formula is not None and traced.difference is not None:
        words += f"; the formula tells {_size(traced.by_formula)} ({traced.difference:+.1%})"
    else:
        words += "; no formula knows this model"
    yield "traced", words
    same = (traced.told_total, traced.told_trained) == (traced.total, traced.trained)
    words = f"{traced.total:,} parameters, of the model without an adapter, and {traced.trained:,} that train"
    if same:
        words += ", as its configuration tells"
    elif traced.told_total is not None:
        told = "not told" if traced.told_trained is None else f"{traced.told_trained:,}"
        words += f"; its configuration tells {traced.told_total:,} and {told}"
    yield "counted", words


def _time(plan: Plan, cost: CostPlan) -> Iterator[Line]:
    """Time, energy and price of training on full rows, without evaluation and saving."""
    from recipe_runner.execute.screen import duration

    machine, total = plan.machine, plan.steps.total
    seconds, speed = cost.seconds_per_step, cost.tokens_per_second
    if seconds is None or speed is None:
        if machine.source == THIS_MACHINE and not machine.flops:
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
