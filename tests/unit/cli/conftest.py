"""The command in a process of its own, as a shell starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

RECIPE = """\
recipe: 1
model: Qwen/Qwen3-0.6B
data: {train: chat.jsonl}
algorithm: sft
adapter: lora
output_dir: runs/chat
"""

ROW = {
    "messages": [
        {"role": "user", "content": "Which planet is red?"},
        {"role": "assistant", "content": "Mars."},
    ]
}

Done = subprocess.CompletedProcess[str]
Command = Callable[..., Done]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a recipe that has nothing wrong, and its data."""
    (tmp_path / "chat.jsonl").write_text(f"{json.dumps(ROW)}\n" * 32, encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return tmp_path


@pytest.fixture
def recipe_run(folder: Path) -> Command:
    """Run `recipe-run` with these arguments in `folder`."""

    def run(
        *arguments: str,
        text: str | None = None,
        cwd: Path = folder,
        environment: Mapping[str, str] | None = None,
    ) -> Done:
        return subprocess.run(
            [sys.executable, "-m", "recipe_runner", *arguments],
            cwd=cwd,
            env={**os.environ, "COLUMNS": "80", **(environment or {})},
            input=text if text is not None else "",
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    return run
