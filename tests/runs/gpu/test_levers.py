"""Each lever on the GPU of this machine: used, or refused in words, with the losses of plain TRL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.components.base import discover
from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.launch import launch
from recipe_runner.execute.probe import this_machine
from recipe_runner.pipeline import compile_text
from recipe_runner.plan import Plan
from tests.runs.algorithms.data import write
from tests.runs.train.by_hand import Recorder

MACHINE = this_machine()
ROUNDING = 5e-2
"""Relative difference of losses in bfloat16, or in float8."""

pytestmark = [
    pytest.mark.runs,
    pytest.mark.gpu,
    pytest.mark.skipif(MACHINE.accelerators == 0, reason="no GPU on this machine"),
]


def _losses(
    folder: Path, model: Path, speed: Any, adapter: bool
) -> tuple[list[float], Plan, dict[str, Any]]:
    folder.mkdir()
    file = write(folder, "prompt_completion")
    sections = {
        "recipe": 1,
        "model": str(model),
        "data": {"train": str(file), "max_length": 64},
        "algorithm": "sft",
        "training": {"max_steps": 3, "global_batch_size": 8, "logging_steps": 1},
        "launch": {"num_processes": 1},
        "speed": speed,
        "output_dir": "run",
    }
    if adapter:
        sections["adapter"] = {"type": "lora", "lora_dropout": 0}
    text = json.dumps(sections)
    compiled = compile_text(text, "recipe.yaml", MACHINE, cwd=folder)
    assert compiled.plan is not None, [d.message for d in compiled.report]
    outcome = launch(compiled.plan, text, text, Recorder())
    lines = (outcome.run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    noted = json.loads((outcome.run_dir / "run.json").read_text(encoding="utf-8"))["speed"]
    rows = [row for row in map(json.loads, lines) if row["kind"] == "train"]
    return [row["loss"] for row in rows], compiled.plan, {each["name"]: each for each in noted}


@pytest.mark.parametrize("adapter", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("name", discover("recipe_runner.components.levers"))
def test_a_lever_is_used_or_says_why_not(
    name: str, adapter: bool, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    plain, *_ = _losses(tmp_path / "off", tiny_llama, "off", adapter)
    try:
        found, plan, levers = _losses(
            tmp_path / "on", tiny_llama, {"levers": "off", name: "on"}, adapter
        )
    except DiagnosticError as error:
        pytest.fail(f"{name}: {[each.message for each in error.diagnostics]}")
    # What is installed here, and what this GPU can, is known when the plan is made.
    assert (levers[name]["state"] == "applied") is plan.speed.applies(name), levers[name]
    assert found == pytest.approx(plain, rel=ROUNDING)
