"""A run that was killed or interrupted goes on as if nothing had happened."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.checkpoints import MANIFEST, all_checkpoints
from recipe_runner.execute.launch import launch
from recipe_runner.execute.record import RunDirectory
from tests.runs.train.by_hand import (
    BY_HAND,
    LORA,
    RECIPE,
    Recorder,
    chats,
    losses,
    plan_for,
    read_until,
    start_driver,
)

pytestmark = pytest.mark.runs


def reference(model: Path, folder: Path, **changes: Any) -> dict[int, float]:
    folder.mkdir()
    launch(plan_for(model, folder, **changes), RECIPE, RECIPE, Recorder(), suppliers=BY_HAND)
    return losses(folder / "run")


@pytest.mark.slow
def test_killed_run_with_a_torn_newest_checkpoint_ends_with_the_same_losses(
    model: Path, tmp_path: Path
) -> None:
    expected = reference(model, tmp_path / "whole", adapter=LORA)
    folder = tmp_path / "killed"
    folder.mkdir()
    plan = plan_for(model, folder, adapter=LORA)
    process = start_driver(plan, folder)
    step = random.Random().randint(5, 7)
    read_until(process, f"step {step}/8")
    process.send_signal(signal.SIGKILL)
    process.communicate()

    # What SIGKILL in the middle of saving leaves: no manifest, a cut file, files not yet there.
    newest = all_checkpoints(folder / "run" / "checkpoints")[0].path
    (newest / MANIFEST).unlink(missing_ok=True)
    (newest / "optimizer.pt").unlink(missing_ok=True)
    weights = newest / "adapter_model.safetensors"
    if weights.exists():
        weights.write_bytes(weights.read_bytes()[:-7])

    console = Recorder()
    outcome = launch(plan, RECIPE, RECIPE, console, suppliers=BY_HAND)
    assert outcome.status == "finished"
    assert outcome.resumed_from is not None
    assert outcome.resumed_from.name != newest.name
    assert f"{newest.name} is incomplete" in console.lines[0]
    assert losses(folder / "run") == expected


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_saves_a_checkpoint_and_the_run_goes_on_from_it(
    number: signal.Signals, model: Path, tmp_path: Path
) -> None:
    expected = reference(model, tmp_path / "whole", arguments={"max_steps": 20})
    folder = tmp_path / "interrupted"
    folder.mkdir()
    plan = plan_for(model, folder, arguments={"max_steps": 20, "save_strategy": "no"})
    process = start_driver(plan, folder)
    read_until(process, "step 3/20")
    process.send_signal(number)
    output, _ = process.communicate()
    assert process.returncode == 130, output
    status = json.loads((folder / "run" / "run.json").read_text(encoding="utf-8"))
    assert status["status"] == "interrupted"
    assert status["outcome"]["checkpoint"].endswith(f"checkpoint-{status['step']}")
    assert 3 <= status["step"] < 20

    outcome = launch(plan, RECIPE, RECIPE, Recorder(), suppliers=BY_HAND)
    assert outcome.status == "finished"
    assert losses(folder / "run") == expected


@pytest.mark.slow
@pytest.mark.parametrize("named", [False, True], ids=["auto", "path"])
def test_a_run_does_not_go_on_with_other_rows(
    named: bool, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECIPE_RUNNER_CACHE", str(tmp_path / "cache"))
    plan = plan_for(model, tmp_path)
    launch(plan, RECIPE, RECIPE, Recorder())
    run = RunDirectory(tmp_path / "run")
    run.update_status(status="interrupted")
    checkpoint = run.checkpoints / "checkpoint-6"
    chats(tmp_path / "chat.jsonl", seed=1)
    with pytest.raises(DiagnosticError) as caught:
        launch(plan, RECIPE, RECIPE, Recorder(), resume=checkpoint if named else "auto")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code.id == "RR609"
    assert str(tmp_path / "chat.jsonl") in diagnostic.message
    chats(tmp_path / "chat.jsonl")
    outcome = launch(plan, RECIPE, RECIPE, Recorder(), resume=checkpoint if named else "auto")
    assert outcome.status == "finished"
