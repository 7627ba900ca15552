"""Two processes on one machine (gloo): same losses as one, and good order when they end."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.launch import launch
from recipe_runner.plan import Plan
from tests.runs.train.by_hand import (
    RECIPE,
    Recorder,
    losses,
    plan_for,
    read_until,
    start_driver,
)

pytestmark = [pytest.mark.runs, pytest.mark.slow]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def two(model: Path, folder: Path, **arguments: object) -> Plan:
    halved = {"per_device_train_batch_size": 2, **arguments}
    return plan_for(model, folder, arguments=halved, processes=2)


def test_two_processes_have_the_losses_of_one(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A configuration of accelerate's own that would end the run if it were read.
    home = tmp_path / "home" / "accelerate"
    home.mkdir(parents=True)
    (home / "default_config.yaml").write_text("distributed_type: NO_SUCH_TYPE\n")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    console = Recorder()
    launch(plan_for(model, tmp_path / "one"), RECIPE, RECIPE, Recorder())
    outcome = launch(two(model, tmp_path / "two"), RECIPE, RECIPE, console)
    assert (outcome.status, outcome.step, outcome.exit_code) == ("finished", 8, 0)
    one, both = losses(tmp_path / "one" / "run"), losses(tmp_path / "two" / "run")
    assert one.keys() == both.keys()
    # The sums of a step are taken in another order: float32 keeps about seven digits.
    assert [both[step] for step in one] == pytest.approx(list(one.values()), abs=5e-6)
    steps = [update.step for update in console.updates if update is not None]
    assert steps == list(range(1, 9))
    assert (tmp_path / "two" / "run" / "model" / "model.safetensors").exists()


def test_processes_that_would_train_alone_are_refused(model: Path, tmp_path: Path) -> None:
    # accelerate's own word for processes on CPUs leaves them without a process group here:
    # the day this stops failing, `components/shardings/ddp.py` can use it.
    plan = two(model, tmp_path)
    apart = {**(plan.launch.accelerate_config or {}), "distributed_type": "MULTI_CPU"}
    plan = replace(plan, launch=replace(plan.launch, accelerate_config=apart))
    with pytest.raises(DiagnosticError) as error:
        launch(plan, RECIPE, RECIPE, Recorder())
    (found,) = error.value.diagnostics
    assert found.code.id == "RR712"
    assert found.message == "the plan has 2 processes, and this one is connected to 1"


def test_interrupt_stops_both_at_one_step_and_a_killed_worker_is_told(
    model: Path, tmp_path: Path
) -> None:
    plan = two(model, tmp_path, max_steps=2000, save_steps=500, logging_steps=5)
    process = start_driver(plan, tmp_path)
    read_until(process, "step 10/2000")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate()
    assert process.returncode == 130, output
    status = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    checkpoint = Path(status["outcome"]["checkpoint"])
    assert checkpoint.name == f"checkpoint-{status['step']}"
    assert (checkpoint / "rng_state_1.pth").exists()

    process = start_driver(plan, tmp_path)
    seen = read_until(process, f"step {5 * (status['step'] // 5 + 2)}/2000")
    assert seen[0] == f"Resuming from {checkpoint}\n"
    os.kill(worker_of(tmp_path / "run", rank=1), signal.SIGKILL)
    output, _ = process.communicate()
    assert process.returncode == 4, output
    assert "RR701 worker-failed: rank 1 was killed by signal 9" in output


def worker_of(run: Path, *, rank: int) -> int:
    """The process id of one rank, found by its command line and its environment."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        ours = str(run).encode() in command and f"RANK={rank}".encode() in environment
        if ours and b"--config_file" not in command:
            return int(folder.name)
    raise AssertionError(f"rank {rank} is not running")
