"""Makes a checkpoint count only once it is whole, and deletes old ones only then.

Upstream's own rotation is off: it deletes while the checkpoint it makes room for may
still be in the system's buffers, or being written by another rank. Here the order is:
all ranks have written, everything is on disk, the manifest is on disk, an old one goes.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from recipe_runner.execute import atomic
from recipe_runner.execute.checkpoints import MANIFEST, all_checkpoints, listing


class Saving(TrainerCallback):
    """Completes checkpoints in `folder` and keeps `limit` of them, and the best one."""

    def __init__(
        self, folder: Path, *, limit: int | None, rank: int, processes: int, plan: str
    ) -> None:
        self._folder = folder
        self._limit = limit
        self._rank = rank
        self._processes = processes
        self._plan = plan

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take away what this run will write again, so that no old file is left in between."""
        if self._rank == 0:
            clear_after(self._folder, state.global_step, self._processes)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        _wait_for_all_ranks()
        if self._rank != 0:
            return
        # TRL writes a card for the trainer's folder; the result gets one of ours.
        (self._folder / "README.md").unlink(missing_ok=True)
        complete(self._folder / f"checkpoint-{state.global_step}", self._processes, self._plan)
        best = state.best_model_checkpoint
        self._rotate(None if best is None else Path(best).name)

    def _rotate(self, best: str | None) -> None:
        if self._limit is None:
            return
        found = all_checkpoints(self._folder, self._processes)
        whole = [c.path.name for c in found if (c.path / MANIFEST).exists()]
        keep = set(whole[: self._limit])
        if best is not None and best not in keep:
            # The best one takes the place of the oldest, but never that of the newest.
            keep = {*whole[: max(1, self._limit - 1)], best}
        for checkpoint in found:
            if checkpoint.path.name not in keep:
                remove(checkpoint.path)


def complete(path: Path, processes: int, plan: str) -> None:
    """Bring a checkpoint's files to disk, then write its manifest."""
    files = listing(path)
    atomic.sync_files(path / name for name in files)
    atomic.sync_folder(path)
    sharded = any("/" in name for name in files)
    manifest = {"plan": plan, "processes": processes, "sharded": sharded, "files": files}
    atomic.write_json(path / MANIFEST, manifest)


def clear_after(folder: Path, step: int, processes: int) -> None:
    """Delete torn checkpoints after `step`, and set the others aside as `superseded-N`.

    One with a manifest was whole once: `save_only_model` makes such that cannot be resumed.
    """
    for checkpoint in all_checkpoints(folder, processes):
        if checkpoint.step <= step:
            continue
        if checkpoint.complete or (checkpoint.path / MANIFEST).exists():
            aside = folder / f"superseded-{checkpoint.step}"
            shutil.rmtree(aside, ignore_errors=True)
            checkpoint.path.rename(aside)
        else:
            remove(checkpoint.path)


def remove(path: Path) -> None:
    """Delete a checkpoint; its manifest goes first, so that half of it never looks whole."""
    (path / MANIFEST).unlink(missing_ok=True)
    (path / "trainer_state.json").unlink(missing_ok=True)
    shutil.rmtree(path)


def _wait_for_all_ranks() -> None:
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        dist.barrier()
