"""Entropy and accuracy of logged steps are those of plain TRL at that step, and no loss changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.runs.algorithms.matrix import Case
from tests.runs.speed.table import EXACT, Found, run
from tests.tiny import tiny_model

pytestmark = pytest.mark.runs

EVERY = 3
STEPS = 7


def _trained(folder: Path, model: Path, speed: Any, every: int) -> tuple[Found, list[Any]]:
    training = {
        "max_steps": STEPS,
        "per_device_train_batch_size": 2,
        "global_batch_size": 4,
        "logging_steps": every,
    }
    found = run(Case("sft"), folder, model, model, {"training": training, "speed": speed})
    assert found.said == ""
    lines = next(folder.rglob("metrics.jsonl")).read_text(encoding="utf-8").splitlines()
    return found, [row for row in map(json.loads, lines) if row["kind"] == "train"]


def test_a_line_has_the_metrics_of_its_step(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model")
    _, each = _trained(tmp_path / "each", model, "off", 1)
    plain, _ = _trained(tmp_path / "plain", model, "off", EVERY)
    found, logged = _trained(
        tmp_path / "seldom", model, {"levers": "off", "logged_metrics": "on"}, EVERY
    )
    assert found.levers["logged_metrics"]["state"] == "applied"
    assert found.levers["logged_metrics"]["did"].startswith("8 passes")
    assert plain.levers["logged_metrics"]["state"] == "refused"
    assert found.losses == pytest.approx(plain.losses, rel=EXACT)
    assert [row["step"] for row in logged] == [1, 3, 6]
    by_step = {row["step"]: row for row in each}
    for row in logged:
        for name in ("entropy", "mean_token_accuracy", "num_tokens"):
            assert row[name] == pytest.approx(by_step[row["step"]][name], rel=EXACT), name


def test_nothing_is_left_of_it_in_the_head_of_trl(tmp_path: Path) -> None:
    from trl.trainer import utils

    before = utils._ChunkedLogProbFunction
    _trained(tmp_path / "run", tiny_model(tmp_path / "model"), "auto", EVERY)
    assert utils._ChunkedLogProbFunction is before


def test_there_is_nothing_to_leave_out_where_each_step_is_logged(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model")
    found, _ = _trained(tmp_path / "run", model, "auto", 1)
    assert found.levers["logged_metrics"]["because"] == "each step is logged"
