"""Losses and gradients depend neither on accumulation nor on processes, where upstream's do.

Each test runs upstream's trainer as it is beside ours: when the former stops being wrong, the
test says so, and what mends it can go.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.compiler.machine import machine
from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.feeds import mended
from recipe_runner.execute.launch import launch
from recipe_runner.pipeline import compile_file
from recipe_runner.plan import Shape
from tests.runs.algorithms.data import write
from tests.runs.train.by_hand import Recorder
from tests.tiny import tiny_model

pytestmark = [pytest.mark.runs, pytest.mark.slow]

GIVEN = {"lmbda": 0.0, "max_completion_length": 6}
CASES: dict[str, dict[str, Any]] = {
    "gkd": {"type": "gkd", "lmbda": 0.0, "max_new_tokens": 6},
    "gold": {"type": "gold", **GIVEN},
    "gold, tokens by text": {"type": "gold", "use_uld_loss": True, **GIVEN},
    "iw_opd": {"type": "iw_opd", "distillation_objective": "jsd", **GIVEN},
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return tiny_model(folder / "model"), tiny_model(folder / "teacher", seed=1)


def first_step(
    algorithm: dict[str, Any],
    micro: int,
    folder: Path,
    model: Path,
    *,
    processes: int = 1,
    longer: int = 1,
) -> tuple[float, float]:
    """Loss and length of the gradient of a step of 8 rows, `micro` at a time in each process.

    Answers of the rows are `longer` times as long.
    """
    folder.mkdir()
    shape: Shape = "prompt" if algorithm["type"] == "online_dpo" else "prompt_completion"
    rows = write(folder, shape, rows=8)
    if longer > 1:
        given = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]
        for row in given:
            row["completion"] *= longer
        rows.write_text("\n".join(map(json.dumps, given)), encoding="utf-8")
    recipe: dict[str, Any] = {
        "recipe": 1,
        "model": str(model),
        "data": {
            "train": {"path": str(rows), "format": "prompt_completion"},
            "max_length": 64,
            "shuffle": False,
        },
        "algorithm": algorithm,
        "training": {
            "max_steps": 1,
            "global_batch_size": 8,
            "per_device_train_batch_size": micro,
            "logging_steps": 1,
            "learning_rate": 1e-4,
            "max_grad_norm": 1000.0,
        },
        "launch": {"use_cpu": True, "num_processes": processes},
        "output_dir": str(folder / "run"),
    }
    if shape == "prompt":
        recipe["data"]["train"]["format"] = "prompt"
        recipe["rewards"] = {"type": "length", "unit": "characters", "target": 8}
    file = folder / "recipe.yaml"
    file.write_text(json.dumps(recipe), encoding="utf-8")
    compiled = compile_file(str(file), machine("cpu"), cwd=folder)
    assert compiled.plan is not None, [d.message for d in compiled.report]
    launch(compiled.plan, file.read_text(), "", Recorder())
    lines = (folder / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    (row,) = [row for row in map(json.loads, lines) if row["kind"] == "train"]
    return row["loss"], row["grad_norm"]


@pytest.mark.parametrize("case", CASES)
def test_a_step_is_the_same_in_one_piece_and_in_four(
    case: str, models: tuple[Path, Path], tmp_path: Path
) -> None:
    model, teacher = models
    algorithm = {**CASES[case], "teacher_model": str(teacher)}
    whole = first_step(algorithm, 8, tmp_path / "whole", model)
    pieces = first_step(algorithm, 2, tmp_path / "pieces", model)
    # What is averaged over batches, and not over tokens, differs with the rows' lengths.
    tolerance = 0.1 if algorithm.get("use_uld_loss") else 1e-4
    assert pieces == pytest.approx(whole, rel=tolerance)


@pytest.mark.parametrize("case", [case for case in CASES if case != "gold, tokens by text"])
def test_a_step_is_the_same_in_two_processes(
    case: str, models: tuple[Path, Path], tmp_path: Path
) -> None:
    model, teacher = models
    algorithm = {**CASES[case], "teacher_model": str(teacher)}
    whole = first_step(algorithm, 8, tmp_path / "whole", model)
    halves = first_step(algorithm, 4, tmp_path / "halves", model, processes=2)
    assert halves == pytest.approx(whole, rel=1e-4)


@pytest.mark.parametrize("kind", ["gkd", "gold", "iw_opd"])
def test_answers_that_do_not_train_do_not_count(
    kind: str, models: tuple[Path, Path], tmp_path: Path
) -> None:
    model, teacher = models
    own = {"max_new_tokens" if kind == "gkd" else "max_completion_length": 6}
    algorithm = {"type": kind, "lmbda": 1.0, "teacher_model": str(teacher), **own}
    short = first_step(algorithm, 4, tmp_path / "short", model)
    long = first_step(algorithm, 4, tmp_path / "long", model, longer=4)
    assert long == pytest.approx(short, rel=1e-4)


@pytest.mark.parametrize("case", [case for case in CASES if case != "gkd"])
def test_upstream_still_depends_on_the_pieces(
    case: str, models: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mended.CountsWhatTrains, "compute_loss", _untouched)
    model, teacher = models
    algorithm = {**CASES[case], "teacher_model": str(teacher)}
    whole = first_step(algorithm, 8, tmp_path / "whole", model)
    pieces = first_step(algorithm, 2, tmp_path / "pieces", model)
    assert pieces != pytest.approx(whole, rel=0.5), "TRL is mended: remove CountsWhatTrains"


def _untouched(self: Any, *args: Any, **kwargs: Any) -> Any:
    return super(mended.CountsWhatTrains, self).compute_loss(*args, **kwargs)


def test_upstream_still_counts_answers_that_do_not_train(
    models: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mended, "MENDED", {})
    algorithm = {"type": "gkd", "lmbda": 1.0, "max_new_tokens": 6, "teacher_model": str(models[1])}
    short = first_step(algorithm, 4, tmp_path / "short", models[0])
    long = first_step(algorithm, 4, tmp_path / "long", models[0], longer=4)
    assert long[0] < short[0] / 2, "TRL is mended: remove AnswersBeforeCounting"


def test_online_dpo_averages_over_the_pieces(
    models: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    algorithm = {"type": "online_dpo", "max_new_tokens": 6}
    # The answers are drawn, so only the size of a gradient can be compared.
    ours = [first_step(algorithm, micro, tmp_path / str(micro), models[0])[1] for micro in (8, 1)]
    monkeypatch.setattr(mended.DividesGradients, "training_step", _undivided)
    theirs = first_step(algorithm, 1, tmp_path / "theirs", models[0])[1]
    assert 0.4 < ours[1] / ours[0] < 2.5
    assert theirs / ours[1] == pytest.approx(8, rel=1e-3), "TRL is mended: remove DividesGradients"


def _undivided(self: Any, *args: Any, **kwargs: Any) -> Any:
    return super(mended.DividesGradients, self).training_step(*args, **kwargs)


def test_a2po_says_that_no_answer_was_right(models: tuple[Path, Path], tmp_path: Path) -> None:
    rows = [json.dumps({"prompt": f"{n} + 2 =", "answer": "no such answer"}) for n in range(4)]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows), encoding="utf-8")
    recipe = {
        "recipe": 1,
        "model": str(models[0]),
        "data": {"train": str(tmp_path / "rows.jsonl"), "max_length": 32},
        "algorithm": {"type": "a2po", "max_completion_length": 3, "num_value_samples": 2},
        "rewards": {"type": "exact_match", "column": "answer"},
        "training": {"max_steps": 1, "global_batch_size": 2},
        "output_dir": str(tmp_path / "run"),
    }
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(recipe), encoding="utf-8")
    compiled = compile_file(str(file), machine("cpu"), cwd=tmp_path)
    assert compiled.plan is not None, [d.message for d in compiled.report]
    with pytest.raises(DiagnosticError) as caught:
        launch(compiled.plan, file.read_text(), "", Recorder())
    (found,) = caught.value.diagnostics
    assert found.code.id == "RR721"
    assert "2 answers to each of 4 prompts" in found.message
