"""The whole model that a run made: its own folder, or its adapter merged into the base."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from recipe_runner.diagnostics import Diagnostic, DiagnosticError
from recipe_runner.execute import environment
from recipe_runner.execute.exports.folder import passing, sweep
from recipe_runner.execute.exports.target import Meter, Told
from recipe_runner.execute.failure import explained
from recipe_runner.execute.finished import FinishedRun
from recipe_runner.execute.libraries import load_libraries
from recipe_runner.execute.merge import Wish, folder_of, merge_into
from recipe_runner.execute.merge.merge import MEMORY, RECEIPT
from recipe_runner.plan import digest

_PASSING = ".whole."
"""How folders are named that a merged model is in for the time of an export only."""


@contextlib.contextmanager
def whole_model(finished: FinishedRun, told: Told, meter: Meter) -> Iterator[Path]:
    """The folder of the whole model.

    A merged model that `recipe-run merge` left is taken where it is of this adapter and was
    compared with it; otherwise one is made for this block, and goes away with it.
    """
    run, plan = finished.run, finished.plan
    if not finished.is_adapter:
        yield run.model
        return
    kept = folder_of(finished)
    if _is_verified(kept / RECEIPT, finished):
        told("taking the merged model that is there")
        yield kept
        return
    log = run.path / "merge.log"
    sweep(run.path, _PASSING)
    folder = passing(run.path, _PASSING)
    try:
        with (
            _options_named(finished),
            explained(plan, run.path, log, memory=MEMORY),
            environment.chatter_into(log),
        ):
            load_libraries(plan)
            environment.hush()
            merge_into(finished, folder, Wish(), told=told, meter=meter)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _options_named(finished: FinishedRun) -> Iterator[None]:
    """Say of options that a merge advises whose they are: the command at hand has others."""
    try:
        yield
    except DiagnosticError as error:
        raise DiagnosticError(
            *(_named(diagnostic, finished) for diagnostic in error.diagnostics)
        ) from error


def _named(diagnostic: Diagnostic, finished: FinishedRun) -> Diagnostic:
    if "--" not in diagnostic.help or "recipe-run merge" in diagnostic.help:
        return diagnostic
    words = f"; the options are of recipe-run merge {finished.run.path}, whose result is taken here"
    return replace(diagnostic, help=diagnostic.help + words)


def is_of(receipt: Path, made: Mapping[str, Any], finished: FinishedRun) -> bool:
    """True where `made`, which stands in `receipt`, is of the model of this run as it is."""
    weights = [path.stat().st_mtime for path in finished.run.model.glob("*.safetensors")]
    newer = bool(weights) and receipt.stat().st_mtime >= max(weights)
    return newer and made.get("plan") == digest(finished.plan)


def _is_verified(receipt: Path, finished: FinishedRun) -> bool:
    try:
        made = json.loads(receipt.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return made.get("compared") is not None and is_of(receipt, made, finished)
