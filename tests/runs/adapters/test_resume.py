"""An interrupted run goes on as if nothing had happened, wherever its adapter began."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.execute.checkpoints import all_checkpoints
from recipe_runner.execute.launch import launch
from recipe_runner.execute.record import RunDirectory
from recipe_runner.plan import AdapterStart, Call
from tests.runs.train.by_hand import BY_HAND, RECIPE, Recorder, losses, plan_for
from tests.tiny import tiny_model

pytestmark = pytest.mark.runs

COMMON = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}


@pytest.mark.parametrize(
    ("start", "more"),
    [
        pytest.param(AdapterStart(changes_base=True), {"init_lora_weights": "pissa"}, id="pissa"),
        pytest.param(
            AdapterStart(rows=8),
            {"init_lora_weights": "eva", "eva_config": Call("peft:EvaConfig", {"rho": 2.0})},
            id="eva",
        ),
    ],
)
def test_a_run_goes_on_with_the_same_losses(
    start: AdapterStart, more: dict[str, Any], tmp_path: Path
) -> None:
    plan = plan_for(
        tiny_model(tmp_path / "model"),
        tmp_path,
        adapter=Call("peft:LoraConfig", {**COMMON, **more}),
        adapter_start=start,
    )
    launch(plan, RECIPE, RECIPE, Recorder(), suppliers=BY_HAND)
    run = RunDirectory(tmp_path / "run")
    expected = losses(run.path)
    # As it is when a run ends after its sixth step.
    newest = all_checkpoints(run.checkpoints)[0].path
    assert newest.name == "checkpoint-8"
    shutil.rmtree(newest)
    shutil.rmtree(run.model)
    run.update_status(status="interrupted")
    outcome = launch(plan, RECIPE, RECIPE, Recorder(), suppliers=BY_HAND)
    assert outcome.resumed_from is not None
    assert outcome.resumed_from.name == "checkpoint-6"
    assert losses(run.path) == expected
