"""Exports the result of a run: looks what is missing, writes, compares, and only then keeps."""

from __future__ import annotations

import importlib.util
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_runner.execute import environment
from recipe_runner.execute.codes.before import PACKAGE_MISSING
from recipe_runner.execute.codes.exports import ARCHITECTURE_NOT_EXPORTABLE, EXPORT_NEEDS_GPU
from recipe_runner.execute.exports.folder import appearing, refuse_existing, write_receipt
from recipe_runner.execute.exports.source import whole_model
from recipe_runner.execute.exports.target import Job, Meter, Target, Told
from recipe_runner.execute.failure import explained
from recipe_runner.execute.fault import fault
from recipe_runner.execute.finished import FinishedRun
from recipe_runner.execute.probe import visible_gpus
from recipe_runner.execute.record import timestamp
from recipe_runner.plan import digest

_MEMORY = "export on a machine with more memory, or leave the second model out with --no-trial"


@dataclass(frozen=True)
class Exported:
    """What an export left behind: `files` with their bytes, `checked` what was compared.

    `variables` are those of the run's chat template, which no file of a model holds.
    """

    folder: Path
    files: Mapping[str, int]
    checked: tuple[str, ...]
    seconds: float
    variables: Mapping[str, Any]


def folder_of(finished: FinishedRun, target: Target) -> Path:
    """Where an export goes unless told otherwise."""
    return finished.run.path / "export" / target.name


def export(
    finished: FinishedRun,
    target: Target,
    *,
    type: str | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    trial: bool = True,
    told: Told,
    meter: Meter,
) -> Exported:
    """Export the model of a run, an adapter merged into its base.

    Reports RR601 and RR640 for what is missing here, RR641 for a folder in the way, RR737
    for a model that judges or sees, and what the target and the merge report. Nothing is kept
    of an export that failed.
    """
    started = time.monotonic()
    folder = out.absolute() if out is not None else folder_of(finished, target)
    refuse_existing(folder, overwrite=overwrite)
    _demand(finished, target)
    environment.apply(finished.plan)
    log = finished.run.path / "export.log"
    form = type or (target.types[0] if target.types else "")
    with (
        explained(finished.plan, finished.run.path, log, memory=_MEMORY),
        environment.chatter_into(log),
        whole_model(finished, told, meter) as source,
        appearing(folder) as partial,
    ):
        job = Job(finished.plan, finished.run, source, partial, _plain(finished), form, told, meter)
        target.write(job)
        checked = target.verify(job, trial=trial)
        files = {
            str(path.relative_to(partial)): path.stat().st_size
            for path in sorted(partial.rglob("*"))
            if path.is_file()
        }
        write_receipt(
            partial,
            target=target.name,
            type=form,
            plan=digest(finished.plan),
            made=timestamp(),
            files=files,
            checked=checked,
        )
    variables = finished.plan.tokenizer.chat_template_kwargs
    return Exported(folder, files, checked, time.monotonic() - started, variables)


def _demand(finished: FinishedRun, target: Target) -> None:
    """Report what the target needs and this machine or the run lacks."""
    model = finished.plan.model
    if model.judges or model.sees:
        what = "gives numbers, and no words" if model.judges else "takes images"
        raise fault(
            ARCHITECTURE_NOT_EXPORTABLE,
            finished.run.path,
            f"the model of the run {what}: exports hold models that read text and write it",
            "serve the run's `model` folder with transformers or vLLM",
        )
    for needed in target.packages:
        if importlib.util.find_spec(needed.module) is None:
            raise fault(
                PACKAGE_MISSING,
                finished.run.path,
                f"{needed.package} is not installed, and {needed.because} needs it",
                f"pip install {needed.package}",
            )
    if target.needs_gpu and not visible_gpus():
        raise fault(
            EXPORT_NEEDS_GPU,
            finished.run.path,
            f"--to {target.name} needs a GPU, and this machine has none that can be seen",
            "export on a machine with a GPU, or to a form that a CPU can make, such as gguf",
        )


def _plain(finished: FinishedRun) -> str:
    """The run's name as the beginning of a file's name."""
    return re.sub(r"[^\w.-]+", "-", finished.plan.name).strip("-.") or "model"
