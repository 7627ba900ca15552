"""`run.json` holds what a run took, beside what its plan told."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recipe_runner.execute.launch import launch
from recipe_runner.execute.record import RunDirectory
from recipe_runner.plan import CostPlan, MemoryPlan, Plan
from tests.runs.train.by_hand import BY_HAND, RECIPE, Recorder, plan_for

pytestmark = pytest.mark.runs

COST = CostPlan(
    memory=MemoryPlan(1, 2, 3, 4, 5, 6),
    tokens_per_micro_batch=10,
    tokens_per_step=20,
    flops_per_token=1e6,
    checkpoint_bytes=100,
    expected_error=0.1,
    seconds_per_step=0.5,
    time_error=0.2,
)


def cost_of(plan: Plan) -> Any:
    run = Path(plan.outputs.run_dir)
    return json.loads((run / "run.json").read_text(encoding="utf-8"))["cost"]


def test_a_run_notes_what_it_took(model: Path, tmp_path: Path) -> None:
    arguments = {"max_steps": 4, "logging_steps": 1}
    plan = dataclasses.replace(plan_for(model, tmp_path, arguments=arguments), cost=COST)
    launch(plan, RECIPE, RECIPE, Recorder(), suppliers=BY_HAND)
    cost = cost_of(plan)
    assert cost["predicted"] == {
        "memory": 21,
        "tokens_per_step": 20,
        "tokens_per_second": 40.0,
        "seconds_per_step": 0.5,
    }
    measured = cost["measured"]
    rows = [
        json.loads(line)
        for line in (Path(plan.outputs.run_dir) / "metrics.jsonl").read_text().splitlines()
    ]
    tokens = max(row["num_tokens"] for row in rows if row["kind"] == "train")
    assert measured["tokens_per_step"] == tokens / 4
    assert 0 < measured["seconds_per_step"] < 60
    rate = measured["tokens_per_step"] / measured["seconds_per_step"]
    assert measured["tokens_per_second"] == pytest.approx(rate)


def test_a_plan_without_a_cost_has_nothing_to_compare_with(model: Path, tmp_path: Path) -> None:
    plan = dataclasses.replace(plan_for(model, tmp_path, arguments={"max_steps": 1}), cost=None)
    launch(plan, RECIPE, RECIPE, Recorder(), suppliers=BY_HAND)
    cost = cost_of(plan)
    assert cost["predicted"] is None
    # The only step loads kernels, and says nothing of others.
    assert cost["measured"]["seconds_per_step"] is None


def test_evaluation_and_saving_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recipe_runner.execute import cost_record

    now = [0.0]
    monkeypatch.setattr("recipe_runner.execute.cost_record.time.monotonic", lambda: now[0])
    run = RunDirectory(tmp_path)
    metrics: Any = SimpleNamespace(last={"step": 13, "num_tokens": 800}, tokens_before=500)
    plan: Any = SimpleNamespace(cost=None)
    record = cost_record.CostRecord(plan, run, metrics)

    def after(seconds: float, event: str, step: int = 10) -> None:
        now[0] += seconds
        getattr(record, event)(None, SimpleNamespace(global_step=step), None)

    after(5, "on_train_begin")
    after(50, "on_step_end")  # the first one does not count
    after(2, "on_step_end")
    after(100, "on_evaluate")
    after(30, "on_save")
    after(4, "on_step_end")
    after(1, "on_train_end")
    measured = json.loads((tmp_path / "run.json").read_text())["cost"]["measured"]
    assert measured["seconds_per_step"] == 3.0
    assert measured["tokens_per_step"] == 100.0
    assert measured["tokens_per_second"] == pytest.approx(100 / 3)


def test_memory_is_what_comes_above_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    from recipe_runner.execute import cost_record

    peak = [700]
    monkeypatch.setattr(cost_record, "memory", lambda: {"peak_rss": peak[0]})
    monkeypatch.setattr(cost_record, "resident_bytes", lambda: 500)
    nothing: Any = SimpleNamespace(cost=None)
    record = cost_record.CostRecord(nothing, None, nothing)
    # Preparing the data took more than the training has so far: nothing is known of that.
    assert record._memory() is None
    peak[0] = 900
    assert record._memory() == 400
