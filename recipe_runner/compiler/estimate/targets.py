"""Which modules the names of an adapter find, compared exactly as PEFT compares them.

Source: `check_target_module_exists`, `_maybe_include_all_linear_layers` and `_set_trainable`
of peft 0.21.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recipe_runner import upstream
from recipe_runner.compiler.estimate.architecture import Architecture, Module
from recipe_runner.components.adapter import JUDGING_HEADS, Adapter

ALL_LINEAR = "all-linear"

"""Modules that PEFT trains in full beside the adapter of a model that judges."""
_FIRST_INDEX = re.compile(r".*?\.[^.]*\.(?P<index>\d+)\.")
_EXPERTS = ("gate", "gate_proj", "gate_up_proj", "up_proj", "down_proj", "w1", "w2", "w3")
"""Names that PEFT translates for experts whose weights are one parameter."""

Names = str | Sequence[str]


@dataclass(frozen=True)
class Reach:
    """What an adapter is put on. `bare` are names it finds that no adapter can be put on.

    `saved` are modules that train in full beside it. `known` is False where PEFT puts it on
    parameters that are no module, which is not followed here.
    """

    modules: tuple[Module, ...] = ()
    bare: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()
    known: bool = True


def reach(adapter: Adapter, architecture: Architecture) -> Reach | None:
    """What `adapter` is put on; None where it names nothing and PEFT has no choice of its own."""
    if adapter.upstream is None:
        return Reach(known=False)
    options = adapter.options()
    ends = tuple(options.get("modules_to_save") or ())
    if architecture.classifier is not None and "modules_to_save" in options:
        ends += JUDGING_HEADS
    saved = tuple(name for name in architecture.names if any(name.endswith(end) for end in ends))
    if adapter.targets == "prompt":
        return Reach(saved=saved)
    targets = wanted(adapter, architecture, "target_modules")
    if targets is None:
        return None
    if targets == ALL_LINEAR:
        aimed = linear_layers(architecture)
    else:
        aimed = [name for name in architecture.names if _aimed_at(options, targets, name)]
    translated = isinstance(targets, str) or any(t.endswith(_EXPERTS) for t in targets)
    found = [name for name in aimed if not excluded(options, ends, name)]
    fitting = {m.name: m for m in architecture.modules if fits(adapter, m)}
    return Reach(
        modules=tuple(fitting[name] for name in found if name in fitting),
        bare=tuple(name for name in found if name not in fitting),
        saved=saved,
        known=not (architecture.has_experts and translated)
        and not options.get("target_parameters"),
    )


def wanted(adapter: Adapter, architecture: Architecture, field: str) -> Names | None:
    """The modules that a field of the adapter names, or PEFT's choice where it is null."""
    value: Names | None = adapter.options().get(field)
    if value is not None:
        return value
    if adapter.targets == "tokens":
        return [architecture.embeddings]
    if adapter.upstream is None:
        return None  # of a method that was not recognised, which is a finding of its own
    return upstream.usual_modules(adapter.upstream, field, architecture.family)


def fits(adapter: Adapter, module: Module) -> bool:
    """True where the adapter can be put on a module of this kind."""
    if adapter.targets == "norms":
        return True
    return module.kind in ("linear", "embedding")


def linear_layers(architecture: Architecture) -> list[str]:
    """What `all-linear` stands for: every linear layer but the one that gives the answer."""
    ends = (architecture.head, architecture.classifier)
    return [m.name for m in architecture.modules if m.kind == "linear" and m.name not in ends]


def named(names: Names, name: str) -> bool:
    """True where a regular expression matches all of `name`, or one of a list is its ending."""
    if isinstance(names, str):
        return re.fullmatch(names, name) is not None
    return name in names or any(name.endswith(f".{ending}") for ending in names)


def excluded(options: Mapping[str, Any], saved: Iterable[str], name: str) -> bool:
    """True where `exclude_modules` or `modules_to_save` keeps the adapter off a module."""
    out = options.get("exclude_modules")
    if out and named(out, name):
        return True
    return any(re.match(rf"(^|.*\.){end}($|\..*)", name) for end in saved)


def inward(
    adapter: Adapter, architecture: Architecture, modules: Iterable[Module]
) -> frozenset[str]:
    """Those of the modules that the adapter changes at their input."""
    field = "feedforward_modules"
    names = wanted(adapter, architecture, field) if field in adapter.options() else None
    if names is None:
        return frozenset()
    return frozenset(
        m.name
        for m in modules
        # PEFT compares endings here without a dot before them.
        if (
            re.fullmatch(names, m.name) if isinstance(names, str) else m.name.endswith(tuple(names))
        )
    )


def _aimed_at(options: Mapping[str, Any], targets: Names, name: str) -> bool:
    if not named(targets, name):
        return False
    layers = options.get("layers_to_transform")
    if isinstance(targets, str) or not layers or name in targets:
        return True
    pattern = options.get("layers_pattern")
    where = re.compile(rf"(?:^|.*?\.){pattern}\.(?P<index>\d+)\.") if pattern else _FIRST_INDEX
    match = where.match(name)
    return match is not None and int(match["index"]) in layers
