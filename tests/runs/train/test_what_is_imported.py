"""A file that lies in the working directory is never taken for an installed package."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.environment import trust_installed_only
from recipe_runner.execute.processes import run_workers
from recipe_runner.execute.record import RunDirectory
from recipe_runner.execute.worker import FOLDER
from tests.runs.train.by_hand import Recorder, chats, plan_for

pytestmark = pytest.mark.runs

OF_AN_ATTACKER = """
import pathlib

pathlib.Path(__file__).with_suffix(".ran").touch()
raise SystemExit("this file must not be imported")
"""
SHADOWS = ("datasets", "transformers", "torch", "yaml", "click", "pickle")


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with modules in it that have the names of others."""
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(OF_AN_ATTACKER, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_modules_beside_the_recipe_are_not_imported(
    processes: int, beside: Path, model: Path
) -> None:
    chats(beside / "chat.jsonl")
    recipe = {
        "recipe": 1,
        "model": str(model),
        "data": {"train": "chat.jsonl", "max_length": 64, "num_proc": 2},
        "algorithm": "sft",
        "training": {"global_batch_size": 4, "max_steps": 1, "save_strategy": "no"},
        "launch": {"use_cpu": True, "num_processes": processes},
        "output_dir": "runs/x",
    }
    (beside / "recipe.yaml").write_text(json.dumps(recipe), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "recipe_runner", "train", "recipe.yaml"],
        cwd=beside,
        env={**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(beside / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(beside.glob("*.ran")) == []


def test_the_launcher_runs_where_nobody_leaves_files(
    beside: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """accelerate puts the launcher's folder into the PYTHONPATH of workers of DeepSpeed."""
    monkeypatch.setenv("PYTHONPATH", f"lib{os.pathsep}")
    run = RunDirectory(beside / "run")
    run.path.mkdir()
    script = (
        "import os, json, sys; names = 'PYTHONSAFEPATH', 'PYTHONPATH', sys.argv[2]; "
        "told = [os.getcwd(), *(os.environ[name] for name in names)]; "
        "open(sys.argv[1], 'w').write(json.dumps(told))"
    )
    plan = plan_for(model, beside, processes=2)
    command = ("python", "-c", script, str(beside / "told.json"), FOLDER)
    plan = dataclasses.replace(plan, launch=dataclasses.replace(plan.launch, command=command))
    with pytest.raises(DiagnosticError, match="RR701"):
        run_workers(plan, run, Recorder())
    told = json.loads((beside / "told.json").read_text(encoding="utf-8"))
    assert told == [beside.anchor, "1", str(beside / "lib"), str(beside)]


def test_a_worker_works_where_the_run_was_started(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    worker = subprocess.run(
        [sys.executable, "-m", "recipe_runner.execute.worker", "run"],
        cwd=tmp_path.anchor,
        env={**os.environ, FOLDER: str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert worker.returncode == 1  # there is no plan
    assert list((tmp_path / "run").glob("*rank0*"))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, None),
        ("", None),
        (os.pathsep, None),
        ("lib", "HERE/lib"),
        (os.pathsep.join(["", "/opt/lib", "lib"]), os.pathsep.join(["/opt/lib", "HERE/lib"])),
    ],
)
def test_what_a_user_names_stays_and_the_working_directory_does_not(
    given: str | None, kept: str | None
) -> None:
    variables = {"PYTHONSAFEPATH": ""} | ({} if given is None else {"PYTHONPATH": given})
    trust_installed_only(variables)
    assert variables["PYTHONSAFEPATH"] == "1"
    expected = None if kept is None else kept.replace("HERE", str(Path.cwd()))
    assert variables.get("PYTHONPATH") == expected
