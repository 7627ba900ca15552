"""Runs that must not go on: losses that are no numbers, losses too high, no improvement."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.checkpoints import newest_complete
from recipe_runner.execute.launch import launch
from recipe_runner.execute.suppliers import Suppliers
from recipe_runner.plan import MonitorPlan, SourcePlan
from tests.runs.train.by_hand import BY_HAND, RECIPE, Recorder, chats, plan_for

pytestmark = pytest.mark.runs


def status_of(folder: Path) -> Any:
    return json.loads((folder / "run" / "run.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "logging_steps",
    [
        pytest.param(1, id="seen-in-the-log"),
        pytest.param(100, id="seen-before-saving"),
    ],
)
def test_run_with_a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(
    logging_steps: int, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    plan = plan_for(
        model,
        tmp_path,
        # The first two steps are warm-up from 0; then one step takes every weight away.
        arguments={
            "learning_rate": 1e30,
            "warmup_steps": 2,
            "lr_scheduler_type": "constant_with_warmup",
            "max_steps": 40,
            "save_steps": 1,
            "logging_steps": logging_steps,
        },
    )
    with pytest.raises(DiagnosticError) as caught:
        launch(plan, RECIPE, RECIPE, Recorder(), suppliers=BY_HAND)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code.id == "RR703"
    kept = newest_complete(tmp_path / "run" / "checkpoints")
    assert kept is not None
    assert str(kept) in diagnostic.message
    from safetensors.torch import load_file

    weights = load_file(kept / "model.safetensors")
    assert all(bool(torch.isfinite(tensor).all()) for tensor in weights.values())
    assert not (tmp_path / "run" / "model").exists()
    assert status_of(tmp_path)["status"] == "failed"
    assert status_of(tmp_path)["codes"] == ["RR703"]


def test_watchdog_stops_a_run_whose_loss_stays_high(model: Path, tmp_path: Path) -> None:
    plan = plan_for(
        model,
        tmp_path,
        monitor=MonitorPlan(loss_watchdog_threshold=1.0, loss_watchdog_patience=3),
    )
    with pytest.raises(DiagnosticError) as caught:
        launch(plan, RECIPE, RECIPE, Recorder(), suppliers=BY_HAND)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code.id == "RR704"
    assert "at step 3" in diagnostic.message


def with_evaluation(model: Path, folder: Path, **changes: Any) -> Any:
    import dataclasses

    plan = plan_for(model, folder, **changes)
    held_out = chats(folder / "eval.jsonl", rows=8, seed=1)
    train = plan.data.train[0]
    source: SourcePlan = dataclasses.replace(train, path=str(held_out), files=(str(held_out),))
    return dataclasses.replace(plan, data=dataclasses.replace(plan.data, eval=(source,)))


EVALUATION = {
    "eval_strategy": "steps",
    "eval_steps": 2,
    "load_best_model_at_end": True,
    "metric_for_best_model": "eval_loss",
    "greater_is_better": False,
}


def test_early_stopping_ends_the_run_and_loads_the_best_checkpoint(
    model: Path, tmp_path: Path
) -> None:
    # A learning rate of 0 never improves: two evaluations after the first one end the run.
    plan = with_evaluation(
        model,
        tmp_path,
        arguments={**EVALUATION, "learning_rate": 0.0, "max_steps": 20},
        monitor=MonitorPlan(early_stopping_patience=2),
    )
    outcome = launch(plan, RECIPE, RECIPE, Recorder(), suppliers=BY_HAND)
    assert outcome.status == "finished"
    assert outcome.stopped_early
    assert outcome.step == 6


def test_best_checkpoint_is_kept_though_newer_ones_come(model: Path, tmp_path: Path) -> None:
    # Asking for the highest loss makes the first evaluation the best one.
    plan = with_evaluation(
        model,
        tmp_path,
        arguments={
            **EVALUATION,
            "greater_is_better": True,
            "max_steps": 10,
            "save_total_limit": 2,
        },
    )
    outcome = launch(plan, RECIPE, RECIPE, Recorder(), suppliers=BY_HAND)
    names = {path.name for path in (tmp_path / "run" / "checkpoints").iterdir()}
    assert names == {"checkpoint-2", "checkpoint-10"}
    rows = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    evaluations = [row for row in map(json.loads, rows) if row["kind"] == "eval"]
    # The last evaluation is of the model that was loaded at the end.
    assert outcome.metrics["eval_loss"] == pytest.approx(evaluations[0]["eval_loss"], abs=1e-6)


def test_evaluation_and_score_before_and_after_are_in_the_outcome(
    model: Path, tmp_path: Path
) -> None:
    from recipe_runner.plan import ScorePlan

    plan = with_evaluation(
        model,
        tmp_path,
        arguments={"max_steps": 4},
        monitor=MonitorPlan(score=ScorePlan(rows=4, max_new_tokens=4, batch_size=4, show=2)),
    )
    outcome = launch(plan, RECIPE, RECIPE, Recorder(), suppliers=BY_HAND)
    assert outcome.scored is not None
    assert outcome.scored.rows == 4
    assert len(outcome.scored.samples) == 2
    assert "eval_loss" in outcome.metrics
    card = (tmp_path / "run" / "model" / "README.md").read_text(encoding="utf-8")
    assert "exact match on 4 held-out rows, after training" in card


def test_supplied_rows_are_the_only_ones_used(model: Path, tmp_path: Path) -> None:
    seen: list[int] = []

    def counting(plan: Any, tokenizer: Any, console: Any) -> Any:
        rows = BY_HAND.prepare(plan, tokenizer, console)
        seen.append(len(rows.train))
        return rows

    plan = plan_for(model, tmp_path, arguments={"max_steps": 1})
    launch(plan, RECIPE, RECIPE, Recorder(), suppliers=Suppliers(counting, BY_HAND.conversations))
    assert seen == [48]
