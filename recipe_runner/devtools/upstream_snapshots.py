"""Writes the upstream snapshots from the installed training libraries.

A snapshot holds names, types and defaults, never upstream's help texts. Anything that
depends on the machine (addresses, module paths of aliases) is kept out, so the same
versions give the same bytes.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from importlib import metadata
from pathlib import Path
from typing import Any

from recipe_runner.components.algorithm import Algorithm
from recipe_runner.components.base import discover
from recipe_runner.devtools.adapter_words import CONFIGS
from recipe_runner.devtools.artefact import UnavailableError
from recipe_runner.devtools.quantization_words import CONFIGS as QUANTIZATIONS

FOLDERS = (Path("recipe_runner/upstream/snapshots"),)


def _of_algorithms(package: str) -> dict[str, str]:
    """The classes of `package` that algorithms name, so that a new one needs no edit here."""
    found: dict[str, str] = {}
    for kind in discover("recipe_runner.components.algorithms").values():
        assert issubclass(kind, Algorithm)
        for target in (kind.upstream, kind.trainer):
            module, _, name = str(target).partition(":")
            root, _, inner = module.partition(".")
            if root == package:
                found[f"{inner}:{name}" if inner else name] = module
    return dict(sorted(found.items()))


CLASSES = {
    "accelerate": {
        "ClusterConfig": "accelerate.commands.config.config_args",
        "DeepSpeedPlugin": "accelerate.utils",
        "FullyShardedDataParallelPlugin": "accelerate.utils",
    },
    "peft": {name: ".".join(["peft", *name.split(":")[:-1]]) for name in CONFIGS},
    "transformers": dict.fromkeys(("TrainingArguments", *QUANTIZATIONS), "transformers"),
    "trl": _of_algorithms("trl"),
}
"""Classes whose keyword arguments a plan may hold, and the module that has them."""

ENUMERATIONS = {
    "accelerate": {"DistributedType": "accelerate.utils", "DynamoBackend": "accelerate.utils"},
    "peft": {"PeftType": "peft", "TaskType": "peft"},
    "transformers": {
        "HubStrategy": "transformers.trainer_utils",
        "IntervalStrategy": "transformers.trainer_utils",
        "OptimizerNames": "transformers.training_args",
        "SaveStrategy": "transformers.trainer_utils",
        "SchedulerType": "transformers.trainer_utils",
    },
    "trl": {},
}
"""Enumerations whose values a recipe may hold, and the module that has them."""

_CONSTANTS = "peft.utils.constants"
MODULES = {
    "peft": {
        "BeftConfig.target_modules": "TRANSFORMERS_MODELS_TO_BEFT_TARGET_MODULES_MAPPING",
        "IA3Config.feedforward_modules": "TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING",
        "IA3Config.target_modules": "TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING",
        "LNTuningConfig.target_modules": "TRANSFORMERS_MODELS_TO_LNTUNING_TARGET_MODULES_MAPPING",
    },
}
"""Fields that say which modules, and upstream's choice by the model's type where they are null."""

_DEPRECATED = re.compile(r"(?:^|\. |\n)Deprecated\b")


def artefacts() -> dict[Path, str]:
    """One snapshot per upstream package, from the versions that are installed.

    Raises UnavailableError where the training libraries are not installed.
    """
    absent = [name for name in ("torch", *CLASSES) if importlib.util.find_spec(name) is None]
    if absent:
        raise UnavailableError(f"not installed: {', '.join(absent)}")
    return {
        FOLDERS[0] / f"{package}-{metadata.version(package)}.json": _snapshot(package)
        for package in CLASSES
    }


def _snapshot(package: str) -> str:
    fields = {
        name: dict(_keyword_arguments(class_at(module, name)))
        for name, module in CLASSES[package].items()
    }
    values = {
        name: [str(member.value) for member in getattr(importlib.import_module(module), name)]
        for name, module in ENUMERATIONS[package].items()
    }
    sections: dict[str, dict[str, Any]] = {"fields": fields, "values": values}
    if package in MODULES:
        constants = importlib.import_module(_CONSTANTS)
        sections["modules"] = {
            field: dict(sorted(getattr(constants, name).items()))
            for field, name in MODULES[package].items()
        }
    return _one_line_per_member(sections)


def class_at(module: str, name: str) -> type:
    """The class that a snapshot knows by `name`, from the module that has it."""
    found: type = getattr(importlib.import_module(module), name.rpartition(":")[2])
    return found


def _keyword_arguments(cls: type) -> Iterator[tuple[str, dict[str, Any]]]:
    # The signature decides: BitsAndBytesConfig inherits from a dataclass and has its own
    # __init__. Where a parameter is a dataclass field, the field knows its factory and help.
    fields = {}
    if dataclasses.is_dataclass(cls):
        fields = {field.name: field for field in dataclasses.fields(cls)}
    for name, parameter in inspect.signature(cls).parameters.items():
        if name in fields:
            yield name, _of_field(fields[name])
        elif parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            yield name, _of_parameter(parameter)


def _of_parameter(parameter: inspect.Parameter) -> dict[str, Any]:
    typed = parameter.annotation is not parameter.empty
    return {
        "type": type_text(parameter.annotation) if typed else "Any",
        **_default(parameter.default is parameter.empty, parameter.default),
    }


def _of_field(field: dataclasses.Field[Any]) -> dict[str, Any]:
    factory: Callable[[], Any] | Any = field.default_factory
    default = field.default if factory is dataclasses.MISSING else factory()
    entry = {"type": type_text(field.type), **_default(default is dataclasses.MISSING, default)}
    if _DEPRECATED.search(str(field.metadata.get("help", ""))):
        entry["deprecated"] = True
    return entry


def _default(required: bool, value: object) -> dict[str, Any]:
    if required:
        return {"required": True}
    plain = value.value if isinstance(value, Enum) else value
    try:
        return {"default": json.loads(json.dumps(plain, allow_nan=False))}
    except (TypeError, ValueError):
        # A repr may hold an address; the name of the type is enough to say what it is.
        return {"opaque_default": getattr(plain, "__qualname__", type(plain).__qualname__)}


def type_text(annotation: object) -> str:
    """A type as one would write it, the same on every Python: `str | None`, `list[int]`."""
    if isinstance(annotation, str):
        return annotation
    if annotation is None or annotation is types.NoneType:
        return "None"
    if annotation is Ellipsis:
        return "..."
    if isinstance(annotation, typing.ForwardRef):
        return annotation.__forward_arg__.rpartition(".")[2]
    if isinstance(annotation, list):
        return f"[{', '.join(map(type_text, annotation))}]"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(type_text, arguments))
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if origin is not None and arguments:
        return f"{type_text(origin)}[{', '.join(map(type_text, arguments))}]"
    name = getattr(annotation, "__qualname__", None)
    return str(annotation).removeprefix("typing.") if name is None else str(name)


def _one_line_per_member(sections: dict[str, dict[str, Any]]) -> str:
    """JSON in which every field and every list of values has its own line, for reading diffs."""
    lines = ["{"]
    for section, owners in sections.items():
        lines.append(f"  {json.dumps(section)}: {{")
        for owner, members in owners.items():
            if isinstance(members, list):
                lines.append(f"    {json.dumps(owner)}: {json.dumps(members)},")
                continue
            lines.append(f"    {json.dumps(owner)}: {{")
            lines += [f"      {json.dumps(key)}: {json.dumps(members[key])}," for key in members]
            lines += [_without_comma(lines.pop()), "    },"]
        lines += [_without_comma(lines.pop()), "  },"]
    lines += [_without_comma(lines.pop()), "}"]
    return "\n".join(lines) + "\n"


def _without_comma(line: str) -> str:
    return line.removesuffix(",")
