"""Whether the result of a run can be merged, as far as its plan and its files say."""

from __future__ import annotations

import json
from pathlib import Path

from recipe_runner.components.adapter import Adapter
from recipe_runner.components.base import discover
from recipe_runner.execute.codes.chat import CODE_NOT_ALLOWED
from recipe_runner.execute.codes.merge import ANOTHER_BASE, NOT_MERGEABLE, NOTHING_TO_MERGE
from recipe_runner.execute.fault import fault
from recipe_runner.execute.finished import FinishedRun
from recipe_runner.plan import Call, Plan

_ADAPTERS = "recipe_runner.components.adapters"


def demand_mergeable(finished: FinishedRun, *, moved: bool = False) -> None:
    """Report RR736 without an adapter, RR732 for one that cannot merge, RR733 for another base.

    The base's name is not looked at where it has `moved`.
    """
    run, plan = finished.run, finished.plan
    if not finished.is_adapter or plan.adapter is None:
        raise fault(
            NOTHING_TO_MERGE,
            run.path,
            f"the run trained its model's own weights, and {run.model} is the whole model",
            f"use {run.model} as it is",
        )
    kind, why = unmergeable(plan.adapter)
    if why is not None:
        raise fault(
            NOT_MERGEABLE,
            run.path,
            f"the adapter is {kind}, which does not merge: {why}",
            "use base and adapter together, as recipe-run chat does, or train with a method "
            "that merges, such as lora",
        )
    named = _base_of(run.model)
    if not moved and named is not None and not _same(named, plan):
        raise fault(
            ANOTHER_BASE,
            run.path,
            f"the adapter was trained on {named}, and the plan names {plan.model.name_or_path}",
            "merge in the run directory that the adapter came from, or name its base with --base",
        )


def demand_consent(finished: FinishedRun, *, allowed: bool) -> None:
    """Report RR631 where the model comes with code and that was not `allowed`."""
    model = finished.plan.model
    if model.load.get("trust_remote_code") and not allowed:
        raise fault(
            CODE_NOT_ALLOWED,
            finished.run.path,
            f"{model.name_or_path} comes with Python code, which this command may not run",
            "read the code, then give `recipe-run merge` --allow-code",
        )


def unmergeable(adapter: Call) -> tuple[str, str | None]:
    """The adapter's word in a recipe, and why it cannot be merged, None where it can."""
    for word, component in discover(_ADAPTERS).items():
        if component.upstream == adapter.target and issubclass(component, Adapter):
            fields = component.model_fields
            given = {name: value for name, value in adapter.arguments.items() if name in fields}
            # The plan is of a recipe that was checked, and some values are built by now.
            return word, component.model_construct(None, type=word, **given).unmergeable()
    return adapter.target.partition(":")[2], None


def _base_of(folder: Path) -> str | None:
    """The base that the adapter's own configuration names."""
    values = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    name = values.get("base_model_name_or_path")
    return None if not name else str(name)


def _same(named: str, plan: Plan) -> bool:
    known = plan.model.name_or_path
    return named == known or (plan.model.local and Path(named).resolve() == Path(known).resolve())
