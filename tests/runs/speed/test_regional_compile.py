"""Compiled layers compute the same, and are as they were when the run ends."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.runs.algorithms.matrix import Case
from tests.runs.speed.table import EXACT, HOW, run
from tests.tiny import tiny_model

pytestmark = [
    pytest.mark.runs,
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("g++"), reason="PyTorch compiles with g++"),
]


def test_losses_are_those_without_it(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model")
    training = {"training": {"max_steps": 3, "logging_steps": 1}, **HOW["lora"]}
    off = run(Case("sft"), tmp_path / "off", model, model, {**training, "speed": "off"})
    found = run(
        Case("sft"),
        tmp_path / "on",
        model,
        model,
        {**training, "speed": {"regional_compile": "require"}},
    )
    assert off.said == found.said == ""
    assert found.levers["regional_compile"]["state"] == "applied"
    assert "compiled graphs" in found.levers["regional_compile"]["did"]
    assert found.losses == pytest.approx(off.losses, rel=EXACT)
    assert found.norms == pytest.approx(off.norms, rel=EXACT)
