"""Levers beside weights that are spread over processes: the same losses and gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.runs.algorithms.matrix import Case
from tests.runs.speed.table import EXACT, HOW, run
from tests.tiny import tiny_model

pytestmark = [pytest.mark.runs, pytest.mark.slow]

TRAINING = {
    "max_steps": 3,
    "per_device_train_batch_size": 2,
    "global_batch_size": 8,
    "logging_steps": 1,
}
LAUNCH = {"use_cpu": True, "num_processes": 2, "strategy": "fsdp"}
ALL: dict[str, Any] = {"padding_free": "require", "loss_head": "require"}
SHARED_OUT = {**ALL, "micro_batches": "require", "tokens_per_micro_batch": 64}


@pytest.mark.parametrize(
    ("algorithm", "how", "speed"),
    [("sft", "full", SHARED_OUT), ("sft", "lora", ALL), ("dpo", "lora", ALL)],
)
def test_losses_are_those_without_levers(
    algorithm: str, how: str, speed: dict[str, Any], tmp_path: Path
) -> None:
    model = tiny_model(tmp_path / "model")
    sections = {"training": TRAINING, "launch": LAUNCH, **HOW[how]}
    off = run(Case(algorithm), tmp_path / "off", model, model, {**sections, "speed": "off"})
    found = run(Case(algorithm), tmp_path / "on", model, model, {**sections, "speed": speed})
    assert off.said == found.said == ""
    assert {found.levers[name]["state"] for name in speed if name in found.levers} == {"applied"}
    assert found.losses == pytest.approx(off.losses, rel=EXACT)
    assert found.norms == pytest.approx(off.norms, rel=EXACT)
