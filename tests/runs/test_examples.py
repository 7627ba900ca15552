"""The examples train: what they teach is in the result."""

from __future__ import annotations

import json
import runpy
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.console import Silent
from recipe_runner.execute.launch import launch
from recipe_runner.execute.outcome import Outcome
from recipe_runner.execute.probe import this_machine
from recipe_runner.pipeline import compile_file

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.runs, pytest.mark.slow]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the recipes and examples, which is the working directory."""
    for name in ("recipes", "examples"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("runs"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("RECIPE_RUNNER_CACHE", str(tmp_path / "cache"))
    return tmp_path


def run(recipe: str, *overrides: str) -> Outcome:
    compiled = compile_file(recipe, this_machine(), overrides=overrides)
    assert compiled.plan is not None, compiled.report
    text = Path(recipe).read_text(encoding="utf-8")
    return launch(compiled.plan, text, text, Silent())


def losses(outcome: Outcome, kind: str, key: str) -> list[float]:
    lines = (outcome.run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rows: list[Mapping[str, Any]] = [json.loads(line) for line in lines]
    return [row[key] for row in rows if row["kind"] == kind]


def test_pretraining_on_text_lowers_the_evaluation_loss(checkout: Path) -> None:
    outcome = run("examples/continue-pretraining/recipe.yaml")
    found = losses(outcome, "eval", "eval_loss")
    # Guessing costs ln(305) = 5.72; knowing how often each letter comes, about 3.
    assert losses(outcome, "train", "loss")[0] == pytest.approx(5.72, abs=0.1)
    assert found[-1] < found[0] < 5.0
    assert found[-1] < 3.5


def test_an_adapter_is_trained_on_what_the_quickstart_leaves(checkout: Path) -> None:
    base = run(
        "recipes/quickstart.yaml", "training.max_steps=20", "score=", "output_dir=runs/quickstart"
    )
    runpy.run_path("examples/lora-on-quickstart/make_data.py")["main"](
        Path("examples/lora-on-quickstart/data")
    )
    outcome = run("examples/lora-on-quickstart/recipe.yaml", "training.max_steps=40")
    assert base.model == checkout / "runs/quickstart/model"
    assert outcome.model is not None
    assert (outcome.model / "adapter_model.safetensors").is_file()
    assert not (outcome.model / "model.safetensors").exists()
    trained = losses(outcome, "train", "loss")
    assert trained[-1] < trained[0] - 0.3


def test_data_with_faults_train_and_every_row_is_accounted_for(checkout: Path) -> None:
    outcome = run("examples/mend-the-data/recipe.yaml")
    receipt = json.loads((outcome.run_dir / "data.json").read_text(encoding="utf-8"))
    log, forum, held_out = receipt["sources"]
    # 61 lines: one without an answer, two copies, one that is evaluated on.
    assert (log["read"], log["used"], forum["read"], forum["used"]) == (61, 60, 60, 59)
    assert receipt["train_rows"] == (60 - 2 - 1) + 2 * 59
    assert held_out["used"] == receipt["eval_rows"] == 20
    assert losses(outcome, "train", "loss")


def test_golden_rows_stop_a_run_that_trains_on_other_tokens(checkout: Path) -> None:
    with pytest.raises(DiagnosticError) as caught:
        run("examples/mend-the-data/recipe.yaml", "data.loss_on.end_of_turn=none")
    assert [found.code.id for found in caught.value.diagnostics] == ["RR451"]
