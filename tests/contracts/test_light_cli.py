"""Checking and planning a recipe loads nothing heavy: this is what makes them fast."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "accelerate",
    "bitsandbytes",
    "datasets",
    "numpy",
    "pandas",
    "peft",
    "torch",
    "transformers",
    "trl",
)

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

# Runs the command as the console script does, then says on the last line of stderr which
# modules are loaded.
PROGRAM = """\
import sys
from recipe_runner.cli import main
sys.argv = ["recipe-run", *sys.argv[1:]]
code = None
try:
    code = main()
except SystemExit as stop:
    code = stop.code
import json
print(json.dumps({"code": code or 0, "modules": sorted(sys.modules)}), file=sys.stderr)
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "chat.jsonl").write_text(f"{json.dumps(ROW)}\n" * 4, encoding="utf-8")
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--version"], id="version"),
        pytest.param(["--help"], id="help"),
        pytest.param(["check", "recipe.yaml"], id="check"),
        pytest.param(["plan", "recipe.yaml", "--machine", "8xH100-80GB", "--why"], id="plan"),
        pytest.param(["plan", "recipe.yaml", "--json"], id="plan-this-machine"),
        pytest.param(["schema"], id="schema"),
    ],
)
def test_a_command_loads_nothing_heavy(arguments: list[str], recipe: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=recipe.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stderr.splitlines()[-1])
    assert report["code"] == 0, done.stdout + done.stderr
    assert [name for name in HEAVY if name in report["modules"]] == []
