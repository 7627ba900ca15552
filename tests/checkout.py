"""A copy of the recipes that we ship, with the data and models that their headers ask for."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recipe_runner.compiler.machine import machine
from recipe_runner.pipeline import Compiled, compile_file
from recipe_runner.shipped import quickstart_data

ROOT = Path(__file__).parents[1]
FOLDERS = ("recipes", "examples")
RECIPES = sorted(
    str(path.relative_to(ROOT)) for name in FOLDERS for path in (ROOT / name).rglob("*.yaml")
)
"""Every recipe, by its path in the repository."""

_JUDGE = {
    "architectures": ["Qwen3ForSequenceClassification"],
    "id2label": {"0": "LABEL_0"},
    "label2id": {"LABEL_0": 0},
}
_SMALL = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
}
FINISHED: Mapping[str, Mapping[str, Any]] = {
    "quickstart": {},
    "preference-pairs/sft": {},
    "reward-and-ppo/sft": {},
    "reward-and-ppo/reward": _JUDGE,
    "grpo-and-rloo/sft": {},
    "distillation/gkd": _SMALL,
}
"""Runs whose model another recipe names, and how its configuration differs from the quickstart's."""

_MACHINE = re.compile(r"^# machine: (\S+)$", re.MULTILINE)


def checkout(folder: Path) -> Path:
    """Copy the recipes to `folder`, and make what the commands before them would make."""
    for name in FOLDERS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("runs"))
    for script in sorted(folder.glob("examples/*/make_data.py")):
        runpy.run_path(str(script))["main"](script.parent / "data")
    for run, changes in FINISHED.items():
        _finished(folder / "runs" / run / "model", changes)
    return folder


def _finished(folder: Path, changes: Mapping[str, Any]) -> None:
    """What a run that began with the quickstart's model leaves behind; its weights hold no tensor."""
    shipped = Path(quickstart_data.__file__).parent
    shutil.copytree(shipped / "models" / "quickstart", folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **changes}), encoding="utf-8")
    shutil.copytree(shipped / "tokenizers" / "quickstart", folder, dirs_exist_ok=True)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")


def compile_shipped(recipe: str, tree: Path) -> Compiled:
    """Compile a recipe of the copy for the machine that its header names."""
    found = _MACHINE.search((tree / recipe).read_text(encoding="utf-8"))
    assert found is not None, "the header has no `# machine:` line"
    return compile_file(str(tree / recipe), machine(found[1]), cwd=tree)
