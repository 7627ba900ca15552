"""Which weights train: parts and patterns of the recipe, each of which has to find something.

Upstream passes over a pattern that finds nothing, as long as another one finds something:
the run would train other weights than the recipe says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.codes import during
from recipe_runner.execute.fault import fault
from recipe_runner.plan import Plan
from recipe_runner.plan.trainable import found_by, layers_in, trains

_SHOWN = 6


def choose_trainable(model: Any, plan: Plan) -> None:
    """Apply `trainable` and `trainable_parameters` (only these train), then `freeze` (these do not).

    Reports RR713 for a part or a pattern that finds no parameter, and where none is left.
    """
    names = [name for name, _ in model.named_parameters()]
    chosen = plan.model
    _demand_patterns(plan, "trainable_parameters", chosen.trainable_parameters, names)
    _demand_patterns(plan, "freeze", chosen.freeze, names)
    _demand_parts(plan, names)
    left = trains(
        names,
        parts=chosen.trainable,
        patterns=chosen.trainable_parameters,
        freeze=chosen.freeze,
    )
    for name, parameter in model.named_parameters():
        if name not in left:
            parameter.requires_grad = False
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise fault(
            during.PATTERN_FINDS_NOTHING,
            plan.recipe_path,
            f"model.freeze, model.trainable and model.trainable_parameters leave none of the "
            f"{len(names)} parameters of {plan.model.name_or_path} to train",
            "freeze fewer parameters",
        )


def _demand_parts(plan: Plan, names: Sequence[str]) -> None:
    for field, found in found_by(names, plan.model.trainable).items():
        if found:
            continue
        value: object = "true"
        if field == "last_layers" and plan.model.trainable is not None:
            value = plan.model.trainable.last_layers
        more = f" in {layers_in(names)} layers" if field == "last_layers" else ""
        raise _idle(
            plan,
            f"model.trainable.{field} is {value}, which finds none of the {len(names)} parameters "
            f"of {plan.model.name_or_path}{more}",
            names,
        )


def _demand_patterns(plan: Plan, field: str, patterns: Sequence[str], names: Sequence[str]) -> None:
    for text in patterns:
        try:
            pattern = re.compile(text)
        except re.error as error:
            raise _idle(
                plan, f"model.{field} has {text!r}, no regular expression: {error}"
            ) from error
        if not any(pattern.search(name) for name in names):
            raise _idle(
                plan,
                f"model.{field} has {text!r}, which finds none of the {len(names)} parameters of "
                f"{plan.model.name_or_path}",
                names,
            )


def _idle(plan: Plan, message: str, names: Sequence[str] = ()) -> DiagnosticError:
    shown = f"the names are such as {', '.join(names[-_SHOWN:])}" if names else "correct it"
    return fault(during.PATTERN_FINDS_NOTHING, plan.recipe_path, message, shown)


def demand_targets(model: Any, plan: Plan) -> None:
    """Report RR709 for a module that the adapter names one by one and the model does not have."""
    if plan.adapter is None:
        return
    modules = [name for name, _ in model.named_modules() if name]
    missing = [
        f"adapter.{field} has {name}"
        for field, name, found in _named(plan.adapter.arguments, modules)
        if not found
    ]
    if missing:
        endings = sorted({name.rpartition(".")[2] for name in modules} - {""})
        known = [ending for ending in endings if not ending.isdigit()]
        raise fault(
            during.ADAPTER_TARGETS,
            plan.recipe_path,
            f"{', '.join(missing)}, and no module of {plan.model.name_or_path} has such a name",
            f"the model's names are {', '.join(known)}",
        )


def _named(arguments: Any, modules: Sequence[str]) -> Iterator[tuple[str, str, bool]]:
    """Field, name, and whether a module has it, as PEFT compares them."""
    for field in ("target_modules", "exclude_modules", "modules_to_save"):
        value = arguments.get(field)
        # A text is `all-linear` or one regular expression, which PEFT refuses on its own.
        for name in value if isinstance(value, list | tuple) else ():
            yield field, name, _ends(modules, name)
    for field in ("rank_pattern", "alpha_pattern"):
        for key in arguments.get(field) or {}:
            pattern = re.compile(rf"(.*\.)?({key})$")
            yield field, key, any(pattern.match(module) for module in modules)


def _ends(modules: Iterable[str], name: str) -> bool:
    return any(module == name or module.endswith(f".{name}") for module in modules)
