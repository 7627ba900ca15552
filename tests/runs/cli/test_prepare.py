"""`recipe-run prepare` and `cache` from the shell: what they say, and what they leave behind."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.runs.data.kill_prepare import Scene, at_once, faults, files_of, kill_once

pytestmark = [pytest.mark.runs, pytest.mark.slow]

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]
HEAVY = ("torch", "transformers", "datasets", "pyarrow", "numpy")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def scene(tmp_path: Path, tiny_llama: Path) -> Scene:
    made = Scene.build(tmp_path, tiny_llama, 3_000)
    for path in [*tiny_llama.iterdir(), tmp_path / "chat.jsonl"]:
        os.utime(path, (1e9, 1e9))  # old enough for its hash to be remembered
    return made


@pytest.fixture
def recipe_run(scene: Scene, cache: Path) -> Run:
    def run(*arguments: str, program: tuple[str, ...] = ("-m", "recipe_runner")) -> Done:
        return subprocess.run(
            [sys.executable, *program, *arguments],
            cwd=scene.folder,
            env={
                **os.environ,
                "RECIPE_RUNNER_CACHE": str(cache),
                "OMP_NUM_THREADS": "1",
                "COLUMNS": "100",
            },
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    return run


LOADED = f"""
import sys
from recipe_runner.cli import main
code = main(sys.argv[1:])
print("heavy:", *(name for name in {HEAVY!r} if name in sys.modules))
sys.exit(code)
"""


def test_prepare_tells_and_a_second_time_finds_without_a_library(
    recipe_run: Run, scene: Scene, cache: Path
) -> None:
    first = recipe_run("prepare", "recipe.yaml", "--explain-cache")
    assert first.returncode == 0, first.stderr
    assert "no entry was made of this recipe or of any of its files" in first.stdout
    assert "3,000 rows" in first.stdout
    assert "2 processes" in first.stdout
    again = recipe_run("prepare", "recipe.yaml", "--explain-cache", program=("-c", LOADED))
    assert "found in" in again.stdout
    assert "hit: the key" in again.stdout
    assert again.stdout.endswith("heavy:\n")
    changed = recipe_run(
        "prepare", "recipe.yaml", "--set", "data.max_length=128", "--explain-cache"
    )
    assert "- `data.max_length`: 128, was 256" in changed.stdout
    as_json = recipe_run("prepare", "recipe.yaml", "--json")
    told = json.loads(as_json.stdout)
    assert (told["cached"], told["train_rows"], told["explanation"]["hit"]) == (True, 3_000, True)
    assert told["sources"][0]["read"] == 3_000
    assert Path(told["folder"]).parent == cache / "prepared"


def test_train_finds_what_prepare_made(recipe_run: Run, scene: Scene) -> None:
    assert recipe_run("prepare", "recipe.yaml").returncode == 0
    few = ("--set", "training.max_steps=1", "--set", "training.global_batch_size=1")
    done = recipe_run("train", "recipe.yaml", *few)
    assert done.returncode == 0, done.stderr
    assert "found in the cache" in done.stdout
    shutil.rmtree(scene.folder / "runs")
    changed = recipe_run("train", "recipe.yaml", *few, "--set", "data.max_length=200")
    assert "prepared again, because of: `data.max_length`: 200, was 256" in changed.stdout


def test_rows_that_cannot_be_used_end_it_with_their_numbers(recipe_run: Run, scene: Scene) -> None:
    lines = (scene.folder / "chat.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    # `check` looks at the first thousand rows and the last.
    lines.insert(2_000, '{"messages": [{"role": "user", "content": "only a question"}]}\n')
    (scene.folder / "chat.jsonl").write_text("".join(lines), encoding="utf-8")
    done = recipe_run("prepare", "recipe.yaml")
    assert done.returncode == 3
    assert ":2001:" in done.stderr
    assert "Traceback" not in done.stderr
    dropped = recipe_run(
        "prepare", "recipe.yaml", "--set", "data.train={path: chat.jsonl, on_bad_row: drop}"
    )
    assert dropped.returncode == 0, dropped.stderr
    assert "dropped" in dropped.stdout
    assert "(row 2,001) of 3,001" in dropped.stdout.replace("rows 2", "row 2")


@pytest.mark.parametrize("how", ["the process group", "a worker", "Ctrl-C"])
def test_what_is_killed_leaves_nothing_that_counts(
    how: str, tmp_path: Path, tiny_llama: Path, cache: Path
) -> None:
    # So many rows that they are still written when the signal comes, on a busy machine too.
    scene = Scene.build(tmp_path, tiny_llama, 12_000)
    receipt, _ = scene.finish(scene.folder / "undisturbed")
    killed = kill_once(scene, cache, 0.02, how)  # type: ignore[arg-type]  # one of the three
    assert killed.exit_code == {"the process group": -9, "a worker": 3, "Ctrl-C": 130}[how]
    assert all(name.endswith(".building") for name in killed.left)
    assert how == "the process group" or killed.left == ()
    again, _ = scene.finish(cache)
    assert (again["cached"], again["key"]) == (False, receipt["key"])
    assert files_of(again) == files_of(receipt)
    assert faults(cache) == []


def test_three_at_once_build_once(scene: Scene, cache: Path) -> None:
    found = at_once(scene, cache, 3)
    assert sorted(each["cached"] for each in found) == [False, True, True]
    assert len({each["key"] for each in found}) == 1
    assert faults(cache) == []


@pytest.mark.parametrize("kibibytes", [4, 64, 700])
def test_a_full_disk_is_a_diagnostic_and_nothing_stays(
    kibibytes: int, scene: Scene, cache: Path
) -> None:
    if subprocess.run(["unshare", "-rm", "true"], check=False).returncode != 0:
        pytest.skip("this machine does not let a test mount a small disk")
    cache.mkdir()
    script = (
        f"mount -t tmpfs -o size={kibibytes}k none {cache} && cd {scene.folder} && "
        f"{sys.executable} -m recipe_runner prepare recipe.yaml; code=$?; "
        f"find {cache}/prepared -mindepth 1; exit $code"
    )
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        env={**os.environ, "RECIPE_RUNNER_CACHE": str(cache), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "RR430" in done.stderr
    assert "No space left on device" in done.stderr
    assert f"{cache}/prepared/" not in done.stdout


@pytest.fixture
def filled(recipe_run: Run, cache: Path) -> list[str]:
    """Two entries, the first not used for a year, and what a killed builder left."""
    keys = []
    for length in ("64", "128"):
        done = recipe_run("prepare", "recipe.yaml", "--set", f"data.max_length={length}", "--json")
        keys.append(json.loads(done.stdout)["key"])
    os.utime(cache / "prepared" / keys[0] / "manifest.json", (1e9, 1e9))
    (cache / "prepared" / f"{'0' * 64}.building").mkdir()
    return keys


def left(cache: Path) -> set[str]:
    return {path.name for path in (cache / "prepared").iterdir() if path.is_dir()}


def test_ls_lists_what_was_used_last_first(recipe_run: Run, filled: list[str], cache: Path) -> None:
    value = json.loads(recipe_run("cache", "ls", "--json").stdout)
    assert [item["key"] for item in value["prepared"]] == [*reversed(filled), "0" * 64]
    assert [item["state"] for item in value["prepared"]] == ["whole", "whole", "unfinished"]
    assert value["prepared"][0]["rows"] == 3_000
    assert value["prepared"][0]["recipe"].endswith("recipe.yaml")
    size = sum(p.stat().st_size for p in (cache / "prepared" / filled[1]).iterdir())
    assert value["prepared"][0]["bytes"] == size
    text = recipe_run("cache", "ls").stdout
    assert filled[0][:12] in text
    assert "files.json" in text


def test_rm_removes_what_it_is_told(recipe_run: Run, filled: list[str], cache: Path) -> None:
    assert recipe_run("cache", "rm").returncode == 2
    assert recipe_run("cache", "rm", "nothing").returncode == 2
    assert recipe_run("cache", "rm", "--older-than", "soon").returncode == 2
    assert recipe_run("cache", "rm", "--unfinished").returncode == 0
    assert left(cache) == set(filled)
    done = recipe_run("cache", "rm", "--older-than", "30d")
    assert (done.returncode, left(cache)) == (0, {filled[1]})
    assert "Removed 1 entry" in done.stdout
    assert recipe_run("cache", "rm", filled[1][:10], "--yes").returncode == 0
    assert list((cache / "prepared").iterdir()) == []
    assert "nothing to remove" in recipe_run("cache", "rm", "--all").stdout


def test_rm_leaves_what_is_used_or_built(recipe_run: Run, filled: list[str], cache: Path) -> None:
    prepared = cache / "prepared"
    with (prepared / filled[0] / "manifest.json").open("rb") as used:
        fcntl.flock(used, fcntl.LOCK_SH)
        with (prepared / f"{'0' * 64}.lock").open("a") as building:
            fcntl.flock(building, fcntl.LOCK_EX)
            done = recipe_run("cache", "rm", "--all")
    assert done.returncode == 1
    assert f"{filled[0][:12]} is in use and stays" in done.stdout
    assert "000000000000 is being built and stays" in done.stdout
    assert left(cache) == {filled[0], f"{'0' * 64}.building"}
