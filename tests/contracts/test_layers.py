"""Packages import only what lies below them; pyproject.toml holds the contracts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_import_contracts_hold() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("recipe_runner", include_external_packages=True, cache_dir=None)


@pytest.mark.parametrize("package", ["diagnostics", "plan", "shipped", "upstream"])
def test_the_bottom_packages_import_the_standard_library_only(
    graph: grimp.ImportGraph, package: str
) -> None:
    name = f"recipe_runner.{package}"
    modules = {name, *graph.find_descendants(name)}
    imported = {
        other for module in modules for other in graph.find_modules_directly_imported_by(module)
    }
    foreign = {other for other in imported if other.partition(".")[0] != "recipe_runner"}
    assert foreign <= sys.stdlib_module_names


def test_source_files_stay_short() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / "recipe_runner").rglob("*.py")
    }
    assert {path: length for path, length in lengths.items() if length > 400} == {}
