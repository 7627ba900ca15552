"""Torn checkpoints are recognised, whatever part of them is missing or cut."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from recipe_runner.execute.callbacks.saving import clear_after, complete
from recipe_runner.execute.checkpoints import MANIFEST, all_checkpoints, faults, newest_complete
from recipe_runner.execute.launch import launch
from tests.runs.train.by_hand import BY_HAND, LORA, RECIPE, Recorder, plan_for

pytestmark = pytest.mark.runs


@pytest.fixture(scope="module")
def checkpoints(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    plan = plan_for(model, folder, adapter=LORA, arguments={"max_steps": 4})
    launch(plan, RECIPE, RECIPE, Recorder(), suppliers=BY_HAND)
    return folder / "run" / "checkpoints"


def cut(name: str) -> Callable[[Path], None]:
    def damage(checkpoint: Path) -> None:
        file = checkpoint / name
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])

    return damage


def empty(name: str) -> Callable[[Path], None]:
    def damage(checkpoint: Path) -> None:
        (checkpoint / name).write_bytes(b"")

    return damage


def gone(name: str) -> Callable[[Path], None]:
    return lambda checkpoint: (checkpoint / name).unlink()


def everything(checkpoint: Path) -> None:
    for file in checkpoint.iterdir():
        file.unlink()


FILES = (
    "adapter_model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth",
    "trainer_state.json",
)  # fmt: skip
DAMAGES = {
    **{f"{name} {kind.__name__}": (kind(name), name) for name in FILES for kind in (cut, gone)},
    "adapter_model.safetensors empty": (empty(FILES[0]), FILES[0]),
    "empty folder": (everything, ""),
}


@pytest.mark.parametrize("manifest", [True, False], ids=["manifest", "no-manifest"])
@pytest.mark.parametrize(("damage", "name"), DAMAGES.values(), ids=DAMAGES.keys())
def test_torn_checkpoint_is_passed_over_and_its_fault_named(
    damage: Callable[[Path], None], name: str, manifest: bool, checkpoints: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoints"
    shutil.copytree(checkpoints, folder)
    if not manifest:
        (folder / "checkpoint-4" / MANIFEST).unlink()
    assert newest_complete(folder) == folder / "checkpoint-4"
    damage(folder / "checkpoint-4")
    assert newest_complete(folder) == folder / "checkpoint-2"
    newest = all_checkpoints(folder)[0]
    assert any(name in fault or fault == "the weights are missing" for fault in newest.faults)


def test_random_state_of_every_rank_is_needed(checkpoints: Path) -> None:
    checkpoint = checkpoints / "checkpoint-4"
    assert list(faults(checkpoint, processes=1)) == []
    copy = checkpoint.parent.parent / "copy"
    shutil.copytree(checkpoint, copy)
    (copy / MANIFEST).unlink()
    assert list(faults(copy, processes=2)) == [
        "rng_state_0.pth is missing",
        "rng_state_1.pth is missing",
    ]


def test_no_folder_has_no_checkpoint(tmp_path: Path) -> None:
    assert newest_complete(tmp_path / "nowhere") is None


def test_a_run_that_starts_again_keeps_checkpoints_that_were_saved_without_their_optimizer(
    checkpoints: Path, tmp_path: Path
) -> None:
    shutil.copytree(checkpoints, tmp_path, dirs_exist_ok=True)
    for name in ("optimizer.pt", "scheduler.pt"):
        (tmp_path / "checkpoint-2" / name).unlink()
    complete(tmp_path / "checkpoint-2", 1, "plan")
    (tmp_path / "checkpoint-4" / MANIFEST).unlink()
    (tmp_path / "checkpoint-4" / "optimizer.pt").unlink()
    assert newest_complete(tmp_path) is None
    clear_after(tmp_path, 0, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["superseded-2"]
