"""Puts the levers of a plan on a trainer, and keeps the receipts: what really became of each.

The file of a lever in this package has a function `put_on(plan, trainer, stack)`, which takes
effect until the stack ends. It gives what tells of its work so far, and raises `Refused` where
the loaded model or its trainer is none for it.

It may have more: `why_not(model)` for what a trainer has to know before it is made, and, for a
library that makes the model, `load_first(plan)`, `make_model(plan)` and `attach(plan, model, config)`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from recipe_runner.execute.fault import fault
from recipe_runner.execute.speed.codes import LEVER_REFUSED
from recipe_runner.execute.speed.refused import Refused
from recipe_runner.plan import LeverPlan, Plan


@dataclass(frozen=True)
class Receipt:
    """What became of a lever in a run; `did` tells what it has done so far."""

    lever: LeverPlan
    did: Callable[[], str] | None = None

    def to_json(self, *, ended: bool) -> dict[str, Any]:
        """As `run.json` has it; a lever that nothing has come by until the end was not needed."""
        lever, did = self.lever, self.did() if self.did is not None else None
        if ended and did == "":
            lever = replace(lever, state="not needed", because="the trainer never came by it")
        told = {"name": lever.name, "state": lever.state, "because": lever.because}
        return {**told, "did": did} if did else told


def with_model(plan: Plan, model: Any) -> Plan:
    """The plan without the levers that the loaded `model` is none for, each with its reason.

    To be asked before a trainer is made: some levers are a part of it.
    """
    levers = tuple(_with_model(each, model) for each in plan.speed.levers)
    shares = plan.speed.tokens_per_micro_batch is not None
    kept = not shares or all(
        each.state == before.state for each, before in zip(levers, plan.speed.levers, strict=True)
    )
    most = plan.speed.tokens_per_micro_batch if kept else None
    return replace(plan, speed=replace(plan.speed, levers=levers, tokens_per_micro_batch=most))


def _with_model(lever: LeverPlan, model: Any) -> LeverPlan:
    judged = getattr(_module(lever), "why_not", None) if lever.state == "applied" else None
    why = judged(model) if judged is not None else None
    return lever if why is None else replace(lever, state="refused", because=why)


def _module(lever: LeverPlan) -> Any:
    return import_module(f"recipe_runner.execute.speed.{lever.name}")


def hook(plan: Plan, name: str) -> Callable[..., Any] | None:
    """The function of that name of the first used lever that has one."""
    used = (_module(each) for each in plan.speed.levers if each.state == "applied")
    return next((getattr(each, name) for each in used if hasattr(each, name)), None)


def used_words(plan: Plan, receipts: Sequence[Receipt]) -> Iterator[str]:
    """What to say of the levers: those that are used, and those that were promised and are not."""
    levers = [each.lever for each in receipts]
    used = [each.name for each in levers if each.state == "applied"]
    if used:
        yield f"faster by {', '.join(used)}"
    for each in levers:
        if each.state != "applied" and plan.speed.applies(each.name):
            yield f"note: without {each.name}: {each.because}"


@contextlib.contextmanager
def levers_of(plan: Plan, trainer: Any) -> Iterator[tuple[Receipt, ...]]:
    """Within it, `trainer` runs with the levers of `plan`; gives what became of each.

    Reports RR724 where one that the recipe requires cannot be used after all.
    """
    with contextlib.ExitStack() as stack:
        receipts = tuple(_receipt(each, plan, trainer, stack) for each in plan.speed.levers)
        for lever in (each.lever for each in receipts):
            if lever.required and lever.state != "applied":
                raise fault(
                    LEVER_REFUSED,
                    plan.recipe_path,
                    f"`speed.{lever.name}` is required, and cannot be used: {lever.because}",
                    f"set `speed.{lever.name}: auto`",
                )
        yield receipts


def _receipt(lever: LeverPlan, plan: Plan, trainer: Any, stack: contextlib.ExitStack) -> Receipt:
    if lever.state != "applied":
        return Receipt(lever)
    try:
        return Receipt(lever, _module(lever).put_on(plan, trainer, stack))
    except Refused as why:
        return Receipt(replace(lever, state="refused", because=str(why)))
