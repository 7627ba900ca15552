"""A recipe has the losses and gradients of a plain TRL script, for each kind of algorithm."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runs.algorithms.parity import PAIRS, STEPS, TOLERANCE, both, furthest
from tests.tiny import tiny_model

pytestmark = [pytest.mark.runs, pytest.mark.slow]


@pytest.mark.parametrize("name", PAIRS)
def test_a_recipe_trains_as_a_plain_trl_script_does(name: str, tmp_path: Path) -> None:
    model, teacher = tiny_model(tmp_path / "model"), tiny_model(tmp_path / "teacher", seed=1)
    ours, theirs = both(name, tmp_path, model, teacher)
    assert len(ours) == STEPS
    assert any(norm > 0 for _, norm in theirs)
    assert furthest(ours, theirs) <= TOLERANCE
