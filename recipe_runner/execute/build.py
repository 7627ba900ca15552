"""Builds the objects that a plan names, from an allow-list of classes.

A plan is data that may come from anybody: only classes in the upstream snapshots and the
few auto classes below can be built.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from recipe_runner import upstream
from recipe_runner.execute.codes import before
from recipe_runner.execute.fault import fault
from recipe_runner.plan import Call

AUTO_CLASSES = frozenset(
    f"transformers:{name}"
    for name in (
        "AutoModelForCausalLM",
        "AutoModelForImageTextToText",
        "AutoModelForSequenceClassification",
        "AutoModelForTokenClassification",
        "AutoProcessor",
        "AutoTokenizer",
    )
)

OF_TORCHAO = frozenset(
    f"torchao.quantization:{name}"
    for name in (
        "Float8DynamicActivationFloat8WeightConfig",
        "Float8WeightOnlyConfig",
        "Int4WeightOnlyConfig",
        "Int8DynamicActivationInt8WeightConfig",
        "Int8WeightOnlyConfig",
    )
)
"""What a quantization through torchao is told with; the package need not be installed here."""

OURS = {
    "recipe_runner:PPOTrainer": "recipe_runner.execute.ppo.trainer",
    "recipe_runner:PRMTrainer": "recipe_runner.execute.prm.trainer",
}
"""Trainers of this package, and the modules that have them."""


def class_of(target: str) -> Any:
    """The class that `target` names ("trl:SFTConfig"). Reports RR614 where it may not be built."""
    if target not in AUTO_CLASSES | OF_TORCHAO | OURS.keys() and target not in upstream.targets():
        raise fault(
            before.TARGET_NOT_ALLOWED,
            "plan.json",
            f"the plan names {target}, which a plan may not build",
            "compile the plan from its recipe again",
        )
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(OURS.get(target, module)), name)


def build(call: Call, **more: Any) -> Any:
    """Call the target with its arguments; calls among the arguments are built first."""
    return class_of(call.target)(**{**arguments_of(call), **more})


def arguments_of(call: Call) -> dict[str, Any]:
    """The keyword arguments of a call, with the calls among them built."""
    return built(call.arguments)


def built(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same values, with the calls among them replaced by what they build."""
    return {name: _value(value) for name, value in values.items()}


def _value(value: Any) -> Any:
    if isinstance(value, Call):
        return build(value)
    if isinstance(value, Mapping):
        return built(value)
    if isinstance(value, list | tuple):
        return [_value(item) for item in value]
    return value
