"""Looks for what would stop a run, in milliseconds and without loading a library."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from recipe_runner import upstream
from recipe_runner.diagnostics import Diagnostic, DiagnosticError
from recipe_runner.execute.codes import before
from recipe_runner.execute.fault import finding
from recipe_runner.execute.generation.look import look
from recipe_runner.execute.probe import visible_gpus
from recipe_runner.plan import Plan, Requirement

_ALWAYS = (
    Requirement("torch", "torch", "training"),
    Requirement("transformers", "transformers", "training"),
    Requirement("trl", "trl", "training"),
    Requirement("accelerate", "accelerate", "training"),
    Requirement("datasets", "datasets", "training"),
)
# Trackers whose package, module and name in `report_to` are not all the same.
_TRACKER_PACKAGES = {"comet_ml": "comet-ml", "dvclive": "dvclive", "azure_ml": "azureml-mlflow"}
_TRACKER_MODULES = {"azure_ml": "azureml", "clearml": "clearml"}
_MEBIBYTE = 2**20
_SMALLEST = 64 * _MEBIBYTE


def check(plan: Plan) -> tuple[Diagnostic, ...]:
    """Warnings about this machine and environment; raises `DiagnosticError` with all errors."""
    found = [
        *_packages(plan),
        *_devices(plan),
        *look(plan),
        *_disk(plan),
        *_versions(plan),
    ]
    errors = [diagnostic for diagnostic in found if diagnostic.severity == "error"]
    if errors:
        raise DiagnosticError(*errors)
    return tuple(found)


def _packages(plan: Plan) -> Iterator[Diagnostic]:
    trackers = _trackers(plan)
    asked: dict[str, Requirement] = {}
    for requirement in (*_ALWAYS, *plan.requires):
        asked.setdefault(requirement.module, requirement)
    for module, requirement in asked.items():
        if module in trackers:
            continue
        if _installed(module):
            yield from _pinned(plan, requirement)
            continue
        yield finding(
            before.PACKAGE_MISSING,
            plan.recipe_path,
            f"{requirement.package} is not installed, and {requirement.because} needs it",
            f"pip install {requirement.package}, or pip install 'recipe-runner[train]'",
        )
    for module, package in trackers.items():
        if not _installed(module):
            yield finding(
                before.TRACKER_MISSING,
                plan.recipe_path,
                f"{package} is not installed, and the recipe reports to it",
                f"pip install {package}, or take it out of `tracking`; "
                "metrics.jsonl in the run directory is always written",
            )


def _pinned(plan: Plan, requirement: Requirement) -> Iterator[Diagnostic]:
    """A package of another version than the plan was made for, where that matters."""
    if requirement.versions is None:
        return
    here = importlib.metadata.version(requirement.package)
    if not _within(here, requirement.versions):
        yield finding(
            before.WRONG_VERSION,
            plan.recipe_path,
            f"{requirement.package} {here} is installed, and the plan is for "
            f"{requirement.package} {requirement.versions} ({requirement.because})",
            f"pip install '{requirement.package}{requirement.versions}'",
        )


def _within(version: str, versions: str) -> bool:
    """True where `version` is in a range of the form ">=1.16,<1.17"."""
    low, high = (_parts(bound.lstrip("<>=")) for bound in versions.split(","))
    return low <= _parts(version)[: len(low)] and _parts(version)[: len(high)] < high


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _trackers(plan: Plan) -> dict[str, str]:
    """Modules and packages of the trackers that the plan reports to."""
    value = plan.arguments.arguments.get("report_to") or ()
    names = [value] if isinstance(value, str) else list(value)
    return {
        _TRACKER_MODULES.get(name, name): _TRACKER_PACKAGES.get(name, name)
        for name in names
        if name not in ("none", "all")
    }


def _devices(plan: Plan) -> Iterator[Diagnostic]:
    if plan.machine.accelerators == 0 or plan.arguments.arguments.get("use_cpu"):
        return
    needed = max(1, plan.launch.num_processes // plan.launch.num_machines)
    here = len(visible_gpus())
    if here >= needed:
        return
    processes = "1 process" if needed == 1 else f"{needed} processes"
    have = "no GPU that can be seen" if here == 0 else f"{here}"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    note = "" if hidden is None else f" (CUDA_VISIBLE_DEVICES is {hidden!r})"
    yield finding(
        before.TOO_FEW_GPUS,
        plan.recipe_path,
        f"the plan runs {processes} on GPUs ({plan.machine.kind}) and this machine has {have}{note}",
        "run on the machine that the plan was made for, or plan for this one",
    )


def _disk(plan: Plan) -> Iterator[Diagnostic]:
    """The nearest existing folder above the run directory must be writable and have space."""
    target = Path(plan.outputs.run_dir)
    folder = next(p for p in (target.absolute(), *target.absolute().parents) if p.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        why = "Permission denied" if folder.is_dir() else "it is a file"
        yield finding(
            before.NOT_WRITABLE,
            target,
            f"{folder} cannot be written: {why}",
            "name another output_dir, or change the folder's permissions",
        )
        return
    free, needed = shutil.disk_usage(folder).free, _bytes_to_save(plan)
    if free < needed:
        yield finding(
            before.DISK_SMALL,
            target,
            f"{free / 2**30:.1f} GiB are free, and a checkpoint with the result needs about "
            f"{needed / 2**30:.1f} GiB",
            "free space, or name an output_dir on another disk",
        )


def _bytes_to_save(plan: Plan) -> int:
    """A lower bound: weights twice (checkpoint and result) and two moments of the optimizer."""
    if plan.adapter is not None or not plan.model.local:
        return _SMALLEST
    weights = sum(p.stat().st_size for p in Path(plan.model.name_or_path).glob("*.safetensors"))
    return max(_SMALLEST, 4 * weights)


def _versions(plan: Plan) -> Iterator[Diagnostic]:
    for package, tested in upstream.versions().items():
        try:
            here = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
        if _minor(here) != _minor(tested):
            yield finding(
                before.UNTESTED_VERSION,
                plan.recipe_path,
                f"{package} {here} is installed; recipes are checked against {tested}",
                "install the versions of constraints.txt where something does not work",
            )


def _minor(version: str) -> tuple[str, ...]:
    return tuple(version.split(".")[:2])


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
