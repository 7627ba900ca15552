"""A copy of the recipes that we ship, with the data and models that their headers ask for."""

from __future__ import annotations

import re
import runpy
import shutil
import struct
from pathlib import Path

from recipe_runner.compiler.machine import machine
from recipe_runner.pipeline import Compiled, compile_file
from recipe_runner.shipped import quickstart_data

ROOT = Path(__file__).parents[1]
FOLDERS = ("recipes", "examples")
RECIPES = sorted(
    str(path.relative_to(ROOT)) for name in FOLDERS for path in (ROOT / name).rglob("*.yaml")
)
"""Every recipe, by its path in the repository."""

_MACHINE = re.compile(r"^# machine: (\S+)$", re.MULTILINE)


def checkout(folder: Path) -> Path:
    """Copy the recipes to `folder`, and make what the commands before them would make."""
    for name in FOLDERS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("runs"))
    for script in sorted(folder.glob("examples/*/make_data.py")):
        runpy.run_path(str(script))["main"](script.parent / "data")
    _finished_quickstart(folder / "runs" / "quickstart" / "model")
    return folder


def _finished_quickstart(folder: Path) -> None:
    """What the quickstart leaves behind, with weights that hold no tensor."""
    shipped = Path(quickstart_data.__file__).parent
    shutil.copytree(shipped / "models" / "quickstart", folder)
    shutil.copytree(shipped / "tokenizers" / "quickstart", folder, dirs_exist_ok=True)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")


def compile_shipped(recipe: str, tree: Path) -> Compiled:
    """Compile a recipe of the copy for the machine that its header names."""
    found = _MACHINE.search((tree / recipe).read_text(encoding="utf-8"))
    assert found is not None, "the header has no `# machine:` line"
    return compile_file(str(tree / recipe), machine(found[1]), cwd=tree)
