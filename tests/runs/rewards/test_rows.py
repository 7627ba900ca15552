"""Rows on their way through every trainer that judges answers: their columns, and their phase."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.compiler.machine import machine
from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.launch import launch
from recipe_runner.pipeline import compile_file
from tests.runs.train.by_hand import Recorder

pytestmark = pytest.mark.runs

ALGORITHMS: dict[str, dict[str, Any]] = {
    "grpo": {"num_generations": 2, "max_completion_length": 4},
    "rloo": {"num_generations": 2, "max_completion_length": 4},
    "online_dpo": {"max_new_tokens": 4},
    "a2po": {"num_value_samples": 2, "max_completion_length": 4},
    "sdpo": {"num_generations": 2, "max_completion_length": 4},
    "ppo": {"num_generations": 2, "max_completion_length": 4, "num_iterations": 1},
}
EVALUATED = [name for name in ALGORITHMS if name != "online_dpo"]
"""Those that answer prompts when they evaluate."""

JUDGE = """
import json

def judge(prompts, completions, answer, tone, image, label, sub_labels, **others):
    with open({path!r}, "a") as file:
        for each in zip(prompts, answer, tone, image, label, sub_labels, strict=True):
            file.write(json.dumps([each, sorted(others)]) + "\\n")
    return [1.0] * len(prompts)
"""


def row(number: int) -> dict[str, Any]:
    """Every second row has columns of its own, with names that trainers take for themselves."""
    plain = {"prompt": f"{number} + 1 =", "answer": str(number + 1)}
    if number % 2 == 0:
        return plain
    more = {"tone": "curt", "image": f"{number}.png", "label": True, "sub_labels": [number]}
    return {**plain, **more}


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(f"{json.dumps(each)}\n" for each in rows), encoding="utf-8")


def ran(algorithm: str, model: Path, folder: Path, **data: Any) -> None:
    recipe = {
        "recipe": 1,
        "model": str(model),
        "data": {
            "train": {"path": "rows.jsonl", "format": "prompt"},
            "max_length": 64,
            "shuffle": False,
            **data,
        },
        "algorithm": {"type": algorithm, **ALGORITHMS[algorithm]},
        "rewards": {"type": "python", "path": "judge.py", "function": "judge"},
        "training": {
            "max_steps": 2,
            "global_batch_size": 8,
            "per_device_train_batch_size": 4,
            "per_device_eval_batch_size": 4,
            **({"eval_strategy": "steps", "eval_steps": 1} if data else {}),
        },
        "launch": {"use_cpu": True},
        "output_dir": "run",
    }
    file = folder / "recipe.yaml"
    file.write_text(json.dumps(recipe), encoding="utf-8")
    compiled = compile_file(str(file), machine("cpu"), cwd=folder, allow_code=True)
    assert compiled.plan is not None, [d.message for d in compiled.report]
    launch(compiled.plan, file.read_text(encoding="utf-8"), "", Recorder())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_rows_with_different_columns_keep_them_all(
    algorithm: str, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seen = tmp_path / "seen.jsonl"
    (tmp_path / "judge.py").write_text(JUDGE.format(path=str(seen)), encoding="utf-8")
    rows = [row(number) for number in range(16)]
    write(tmp_path / "rows.jsonl", rows)
    ran(algorithm, tiny_llama, tmp_path)
    names = ("prompt", "answer", "tone", "image", "label", "sub_labels")
    expected = {json.dumps([each.get(name) for name in names]) for each in rows}
    found = [json.loads(line) for line in seen.read_text(encoding="utf-8").splitlines()]
    judged = {json.dumps(values) for values, _ in found}
    assert judged <= expected
    assert len(judged) >= 8
    others = {name for _, given in found for name in given}
    assert others <= {"completion_ids", "trainer_state", "log_extra", "log_metric"}


@pytest.mark.parametrize("algorithm", EVALUATED)
def test_answers_of_evaluations_are_marked_and_take_no_room_of_those_that_train(
    algorithm: str, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    body = "def judge(completions, **_):\n    return [1.0] * len(completions)\n"
    (tmp_path / "judge.py").write_text(body, encoding="utf-8")
    write(tmp_path / "rows.jsonl", [row(number) for number in range(16)])
    write(tmp_path / "held.jsonl", [row(number) for number in range(100, 180)])
    held = {"path": "held.jsonl", "format": "prompt"}
    ran(algorithm, tiny_llama, tmp_path, eval=held, leakage="ignore")
    text = (tmp_path / "run" / "completions.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        assert line["phase"] == ("eval" if line["row"].startswith("held.jsonl") else "train")
    found = Counter((line["step"], line["phase"]) for line in lines)
    assert found[0, "train"] > 0
    assert found[1, "train"] > 0
    assert found[1, "eval"] == 64
    assert found[2, "eval"] == 64


def test_a_column_with_the_name_of_an_argument_ends_the_run(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    body = "def judge(completions, **_):\n    return [1.0] * len(completions)\n"
    (tmp_path / "judge.py").write_text(body, encoding="utf-8")
    write(tmp_path / "rows.jsonl", [row(0), {**row(1), "completions": ["2"]}] * 8)
    with pytest.raises(DiagnosticError) as raised:
        ran("grpo", tiny_llama, tmp_path)
    (found,) = raised.value.diagnostics
    assert found.code.id == "RR717"
    assert "the rows have a column `completions`, and its argument" in found.message
