"""Runs that compute activations again have the losses of one that keeps all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.compiler.machine import machine
from recipe_runner.pipeline import compile_file
from recipe_runner.plan import Shape
from tests.runs.algorithms.data import write
from tests.runs.train.by_hand import Recorder
from tests.tiny import tiny_model

pytestmark = pytest.mark.runs

Losses = list[tuple[float, float]]
Trained = Callable[[str, bool, Mapping[str, Any] | None], Losses]

SHAPES: Mapping[str, Shape] = {"sft": "prompt_completion", "dpo": "preference"}
RUNGS: Mapping[str, Mapping[str, Any]] = {
    "all": {},
    "every second": {"every_n_layers": 2},
    "all but attention": {"selective": True},
    "every second but its attention": {"every_n_layers": 2, "selective": True},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    root = tmp_path_factory.mktemp("rungs")
    model = tiny_model(root / "model")
    known: dict[str, Losses] = {}

    def losses(kind: str, adapted: bool, options: Mapping[str, Any] | None) -> Losses:
        name = json.dumps([kind, adapted, options])
        if name not in known:
            folder = root / str(len(known))
            folder.mkdir()
            known[name] = _train(folder, model, kind, adapted, options)
        return known[name]

    return losses


def _train(
    folder: Path, model: Path, kind: str, adapted: bool, options: Mapping[str, Any] | None
) -> Losses:
    from recipe_runner.execute.launch import launch

    recipe = {
        "recipe": 1,
        "model": {"name_or_path": str(model), "dtype": "float32"},
        "data": {"train": str(write(folder, SHAPES[kind])), "max_length": 64},
        "algorithm": kind,
        "adapter": {"type": "lora", "r": 4} if adapted else None,
        "training": {
            "max_steps": 3,
            "learning_rate": 1e-3,
            "global_batch_size": 8,
            "per_device_train_batch_size": 4,
            "logging_steps": 1,
            "save_strategy": "no",
            "activation_checkpointing": options is not None,
            "activation_checkpointing_kwargs": dict(options or {}),
        },
        "output_dir": str(folder / "run"),
    }
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(recipe), encoding="utf-8")
    compiled = compile_file(str(path), machine("cpu"), cwd=folder)
    assert compiled.plan is not None, [each.message for each in compiled.report]
    outcome = launch(compiled.plan, path.read_text(encoding="utf-8"), "", Recorder())
    lines = (outcome.run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["kind"] == "train"]
    assert len(rows) == 3
    return [(row["loss"], row["grad_norm"]) for row in rows]


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("adapted", [False, True])
@pytest.mark.parametrize("kind", SHAPES)
def test_losses_are_those_of_a_run_that_keeps_all(
    trained: Trained, kind: str, adapted: bool, rung: str
) -> None:
    usual = trained(kind, adapted, None)
    for ours, theirs in zip(trained(kind, adapted, RUNGS[rung]), usual, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
