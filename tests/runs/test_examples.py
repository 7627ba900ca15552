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


def make_data(example: str) -> None:
    folder = Path("examples") / example
    runpy.run_path(str(folder / "make_data.py"))["main"](folder / "data")


def first_and_last(outcome: Outcome, key: str) -> tuple[float, float]:
    found = losses(outcome, "eval", key)
    return found[0], found[-1]


def test_pairs_teach_a_manner(checkout: Path) -> None:
    make_data("preference-pairs")
    run("examples/preference-pairs/sft.yaml", "score=")
    outcome = run("examples/preference-pairs/dpo.yaml")
    before, after = first_and_last(outcome, "eval_rewards/accuracies")
    assert before < 0.2
    assert after > 0.9
    assert first_and_last(outcome, "eval_rewards/margins")[1] > 0.5


def test_a_judge_learns_from_pairs_and_ppo_from_the_judge(checkout: Path) -> None:
    make_data("reward-and-ppo")
    run("examples/reward-and-ppo/sft.yaml")
    before, after = first_and_last(run("examples/reward-and-ppo/reward.yaml"), "eval_accuracy")
    assert before < 0.7
    assert after > 0.95
    before, after = first_and_last(run("examples/reward-and-ppo/ppo.yaml"), "eval_reward")
    assert before < 0
    assert after > 1


@pytest.mark.parametrize("kind", ["grpo", "rloo"])
def test_rewards_teach_that_capitals_are_wanted(checkout: Path, kind: str) -> None:
    make_data("grpo-and-rloo")
    run("examples/grpo-and-rloo/sft.yaml")
    before, after = first_and_last(run(f"examples/grpo-and-rloo/{kind}.yaml"), "eval_reward")
    # The share of right letters, which are a coin's capitals at first.
    assert before < 0.6
    assert after > 0.9


def test_a_judge_of_steps_finds_wrong_ones(checkout: Path) -> None:
    make_data("process-reward")
    before, after = first_and_last(run("examples/process-reward/recipe.yaml"), "eval_accuracy")
    assert before < 0.6
    assert after > 0.85
