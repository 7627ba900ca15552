"""What the plan and a trace count is what trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runs.estimate.counts import (
    TRACED,
    Counted,
    cases,
    compare,
    every_adapter,
    plan_of,
    prepare,
)

pytestmark = pytest.mark.runs

FAMILIES = ("llama", "qwen3", "gpt2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("estimate")
    prepare(made, FAMILIES)
    return made


@pytest.mark.parametrize("family", FAMILIES)
def test_the_plan_counts_what_trains_of_the_loaded_model(folder: Path, family: str) -> None:
    for name, changes in cases(family).items():
        found = compare(folder, family, name, changes)
        assert isinstance(found, Counted), found
        assert found.told == found.real, found


def test_a_trace_counts_every_adapter(folder: Path) -> None:
    for name, changes in every_adapter():
        found = compare(folder, TRACED, name, changes, traced=True)
        assert isinstance(found, Counted), found
        assert found.traced == found.real, found
        assert found.told in (None, found.real), found


def test_a_trace_has_the_groups_of_the_plan(folder: Path) -> None:
    from recipe_runner.execute.trace import trace

    changes = {"adapter": {"type": "lora", "r": 4, "modules_to_save": ["lm_head"]}}
    plan = plan_of(folder, TRACED, changes)
    assert not isinstance(plan, str), plan
    assert plan.parameters is not None
    traced = trace(plan)
    assert traced == plan.parameters
