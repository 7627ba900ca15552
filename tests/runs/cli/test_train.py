"""`recipe-run train` from the shell: its exit codes, what it says, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.runs, pytest.mark.slow]

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "80"}


@pytest.fixture
def folder(tmp_path: Path, tiny_llama: Path) -> Path:
    """A recipe that trains a tiny model for some steps."""
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"Say {i % 7}"},
                {"role": "assistant", "content": f"{i % 7}"},
            ]
        }
        for i in range(64)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "chat.jsonl").write_text(text, encoding="utf-8")
    recipe = {
        "recipe": 1,
        "model": str(tiny_llama),
        "data": {"train": "chat.jsonl", "max_length": 64},
        "algorithm": "sft",
        "adapter": "lora",
        "training": {"logging_steps": 1, "global_batch_size": 8, "max_steps": 4},
        "launch": {"use_cpu": True, "num_processes": 1},
        "output_dir": "runs/tiny",
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe), encoding="utf-8")
    return tmp_path


def _train(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "recipe_runner", "train", "recipe.yaml", *more],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_finished_run_says_where_everything_is_and_is_not_run_again(folder: Path) -> None:
    done = _train(folder)
    assert done.returncode == 0, done.stderr
    assert "step 4/4" in done.stdout
    assert "Finished in" in done.stdout
    assert "runs/tiny/model" in done.stdout
    assert 'chat = pipeline("text-generation", "runs/tiny/model")' in done.stdout
    run = folder / "runs/tiny"
    assert (run / "recipe.yaml").read_bytes() == (folder / "recipe.yaml").read_bytes()
    assert "learning_rate: 0.0002" in (run / "resolved.yaml").read_text(encoding="utf-8")
    again = _train(folder)
    assert (again.returncode, "RR607" in again.stderr) == (3, True)
    assert "Traceback" not in again.stderr


def test_ctrl_c_saves_and_the_same_command_goes_on(folder: Path) -> None:
    steps = ("--set", "training.max_steps=400")
    program = [sys.executable, "-m", "recipe_runner", "train", "recipe.yaml", *steps]
    with subprocess.Popen(
        program, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        shown = []
        for line in running.stdout:
            shown.append(line)
            if line.startswith("step 3/"):
                running.send_signal(signal.SIGINT)
    assert running.returncode == 130
    text = "".join(shown)
    assert "Interrupted" in text
    assert "recipe-run train recipe.yaml --set training.max_steps=400" in " ".join(text.split())
    done = _train(folder, *steps)
    assert done.returncode == 0, done.stderr
    assert "Resuming from" in done.stdout
    assert "step 400/400" in done.stdout
    assert "step 1/400" not in done.stdout
