"""Splits the groups of an optimizer, so that some parameters train at another rate.

The optimizer has just been made and has no state. Its own groups come first and keep their
options, so the rate that a log calls `learning_rate` stays the run's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.codes import during
from recipe_runner.execute.fault import fault
from recipe_runner.plan import Plan, RateGroup

PATTERN = "pattern"
"""Key of a group of the optimizer that says which group of the plan it is."""

_SHOWN = 8


def regroup(optimizer: Any, model: Any, plan: Plan) -> None:
    """Move parameters out of the groups of `optimizer` into those of the plan.

    Reports RR713 for a pattern that finds no parameter that trains, or whose parameters are
    all in an earlier group.
    """
    assert plan.optimizer is not None
    groups = plan.optimizer.groups
    names = {id(p): _plain(name) for name, p in model.named_parameters() if p.requires_grad}
    owners = {key: _first(groups, name) for key, name in names.items()}
    for group in groups:
        if group.demanded and group not in owners.values():
            raise _idle(plan, group, names.values())
    for own in list(optimizer.param_groups):
        parameters = list(own["params"])
        own["params"] = [p for p in parameters if owners.get(id(p)) is None]
        options = {key: value for key, value in own.items() if key != "params"}
        for group in groups:
            chosen = [p for p in parameters if owners.get(id(p)) is group]
            if chosen:
                optimizer.add_param_group({**options, **_rates(group, own), "params": chosen})


def _rates(group: RateGroup, own: dict[str, Any]) -> dict[str, Any]:
    changed: dict[str, Any] = {PATTERN: group.pattern}
    if group.learning_rate is not None:
        changed["lr"] = group.learning_rate
        # `initial_lr` is what a schedule multiplies, where one has been there before.
        changed |= {"initial_lr": group.learning_rate} if "initial_lr" in own else {}
    # Parameters that never decay, such as norms and biases, are in a group of their own.
    if group.weight_decay is not None and own.get("weight_decay"):
        changed["weight_decay"] = group.weight_decay
    return changed


def _first(groups: Iterable[RateGroup], name: str) -> RateGroup | None:
    return next((group for group in groups if re.search(group.pattern, name)), None)


def _plain(name: str) -> str:
    """The name without what wraps a model to shard, compile or checkpoint it."""
    return re.sub(
        r"(^|\.)(module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.", r"\1", name
    )


def _idle(plan: Plan, group: RateGroup, names: Iterable[str]) -> DiagnosticError:
    names = list(names)
    taken = any(re.search(group.pattern, name) for name in names)
    why = (
        "whose parameters are all in an earlier group"
        if taken
        else (f"which finds none of the {len(names)} parameters that train")
    )
    kinds = {re.sub(r"\d+", "*", name): name for name in reversed(names)}
    shown = list(kinds.values())[::-1][:_SHOWN]
    return fault(
        during.PATTERN_FINDS_NOTHING,
        plan.recipe_path,
        f"{group.asked_by} has {group.pattern!r}, {why}",
        "put it before the wider one, or remove it"
        if taken
        else (f"the names are such as {', '.join(shown)}"),
    )
