"""A run that learns in rounds of answers goes on within a round as if nothing had happened."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recipe_runner.compiler.machine import machine
from recipe_runner.execute.feeds import trainer_class
from recipe_runner.execute.feeds.rounds import KeepsRounds
from recipe_runner.execute.launch import launch
from recipe_runner.pipeline import compile_file
from recipe_runner.plan import Plan
from tests.runs.algorithms.data import write
from tests.runs.train.by_hand import Recorder
from tests.tiny import tiny_model

pytestmark = pytest.mark.runs

LEARNED = ("epoch", "loss", "grad_norm", "entropy", "learning_rate")
ANSWERED = ("reward", "reward_std", "completions/mean_length")
"""What is logged where answers are drawn, so that a round which begins at another step differs."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECIPE_RUNNER_CACHE", str(tmp_path / "cache"))
    return tmp_path


def plan_of(
    folder: Path, model: Path, algorithm: str, *, run: str = "run", **options: Any
) -> tuple[Plan, str]:
    """The plan of eight steps in rounds of two or more, and its recipe; a checkpoint every third."""
    recipe: dict[str, Any] = {
        "recipe": 1,
        "model": str(model),
        # Three steps of one round take all prompts: epochs begin within the run.
        "data": {"train": {"path": str(write(folder, "prompt", rows=6))}, "max_length": 64},
        "algorithm": {
            "type": algorithm,
            "max_completion_length": 6,
            "num_generations": 2,
            "num_iterations": 2,
            **options,
        },
        "rewards": {"type": "length", "unit": "characters", "target": 8},
        "training": {
            "max_steps": 8,
            "global_batch_size": 4,
            "logging_steps": 1,
            "learning_rate": 1e-3,
            "save_strategy": "steps",
            "save_steps": 3,
        },
        "output_dir": str(folder / run),
    }
    file = folder / "recipe.yaml"
    file.write_text(json.dumps(recipe), encoding="utf-8")
    compiled = compile_file(str(file), machine("cpu"), cwd=folder)
    assert compiled.plan is not None, [d.message for d in compiled.report]
    return compiled.plan, file.read_text(encoding="utf-8")


def logged(run: Path) -> dict[int, dict[str, Any]]:
    """What a run learned at each step, and from which answers."""
    rows = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return {
        row["step"]: {name: row.get(name) for name in (*LEARNED, *ANSWERED)}
        for row in rows
        if row["kind"] == "train"
    }


CASES: dict[str, tuple[str, int, dict[str, Any]]] = {
    "grpo": ("grpo", 3, {}),
    "grpo, between rounds and epochs": ("grpo", 6, {}),
    "grpo, one round for four steps": ("grpo", 3, {"steps_per_generation": 2}),
    "rloo": ("rloo", 3, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_resumed_run_is_the_undisturbed_one(case: str, home: Path, model: Path) -> None:
    algorithm, step, options = CASES[case]
    whole, text = plan_of(home, model, algorithm, run="whole", **options)
    launch(whole, text, text, Recorder())
    plan, text = plan_of(home, model, algorithm, run="resumed", **options)
    checkpoint = home / "whole" / "checkpoints" / f"checkpoint-{step}"
    launch(plan, text, text, Recorder(), resume=checkpoint)
    expected = logged(home / "whole")
    assert len({row["grad_norm"] for row in expected.values()}) > 4
    assert logged(home / "resumed") == {n: row for n, row in expected.items() if n > step}


def test_a_checkpoint_that_knows_nothing_of_rounds_begins_one(home: Path, model: Path) -> None:
    whole, text = plan_of(home, model, "grpo", run="whole")
    launch(whole, text, text, Recorder())
    checkpoint = home / "whole" / "checkpoints" / "checkpoint-3"
    (checkpoint / "recipe_run.json").unlink()
    (checkpoint / "round_0.pth").unlink()
    plan, text = plan_of(home, model, "grpo", run="resumed")
    outcome = launch(plan, text, text, Recorder(), resume=checkpoint)
    assert outcome.status == "finished"
    assert outcome.step == 8


class Upstream:
    """As much of a trainer as rounds want, in the middle of a round with images."""

    num_iterations = 2
    _step = 3

    def __init__(self) -> None:
        import torch
        from trl.trainer.utils import (
            split_pixel_values_by_grid,
            split_tensor_dict,
            unsplit_pixel_values_by_grid,
        )

        self.args = SimpleNamespace(
            world_size=1, process_index=0, steps_per_generation=2, device=torch.device("cpu")
        )
        answers = {
            "completion_ids": torch.arange(12).reshape(4, 3),
            "advantages": torch.rand(4, dtype=torch.bfloat16),
            "importance_sampling_ratio": None,
            "num_items_in_batch": torch.tensor(12),
            "pixel_values": torch.rand(5 * 6, 8),
            "image_grid_thw": torch.tensor([[1, 2, 3]] * 5),
            "num_images": [1, 2, 1, 1],
        }
        parts = split_tensor_dict(split_pixel_values_by_grid(answers), 2)
        self._buffered_inputs: Any = [unsplit_pixel_values_by_grid(part) for part in parts]

    def _save_rng_state(self, output_dir: str) -> None: ...

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None: ...


def test_answers_with_images_come_back_as_they_were(tmp_path: Path) -> None:
    import torch

    kind = type("Rounds", (KeepsRounds, Upstream), {})
    saved, loaded = kind(), kind()
    loaded._step, loaded._buffered_inputs = 0, None
    saved._save_rng_state(str(tmp_path))
    loaded._load_optimizer_and_scheduler(str(tmp_path))
    assert loaded._step == 3
    torch.testing.assert_close(loaded._buffered_inputs, saved._buffered_inputs, rtol=0, atol=0)


def test_trainers_that_keep_rounds_are_called_as_upstream_calls_them(
    home: Path, model: Path
) -> None:
    plan, _ = plan_of(home, model, "grpo")
    kind = trainer_class(plan)
    assert issubclass(kind, KeepsRounds)
    assert (kind.__module__, kind.__name__) == ("trl.trainer.grpo_trainer", "GRPOTrainer")
