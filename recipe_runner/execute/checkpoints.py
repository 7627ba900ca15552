"""Which checkpoints are whole.

A process can be killed in the middle of saving, and of deleting. A checkpoint counts as
complete if every file that resuming reads is there and whole. Where we got as far as
writing the manifest, which is the last file, each file also has the size it names.
Reads headers and sizes only; imports the standard library only.
"""

from __future__ import annotations

import json
import os
import re
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = "recipe_run.json"
"""The last file of a checkpoint: the names and sizes of all others."""

_FOLDER = re.compile(r"checkpoint-(\d+)")
_WEIGHTS = ("model.safetensors", "adapter_model.safetensors")
_INDEX = "model.safetensors.index.json"
_STATE = ("trainer_state.json", "optimizer.pt", "scheduler.pt")
_HEADER_LIMIT = 100 * 2**20  # safetensors refuses larger headers


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint folder; `faults` says what is missing or cut, empty where it is complete."""

    path: Path
    step: int
    faults: tuple[str, ...]

    @property
    def complete(self) -> bool:
        return not self.faults


def all_checkpoints(folder: Path, processes: int = 1) -> list[Checkpoint]:
    """The checkpoints in `folder`, newest first, each with what is wrong with it."""
    if not folder.is_dir():
        return []
    found = [(int(m[1]), p) for p in folder.iterdir() if (m := _FOLDER.fullmatch(p.name))]
    return [
        Checkpoint(path, step, tuple(faults(path, processes)))
        for step, path in sorted(found, reverse=True)
        if path.is_dir()
    ]


def newest_complete(folder: Path, processes: int = 1) -> Path | None:
    """The newest complete checkpoint in `folder`, None where there is none."""
    return next((c.path for c in all_checkpoints(folder, processes) if c.complete), None)


def faults(path: Path, processes: int = 1) -> Iterator[str]:
    """What is missing or cut in the checkpoint `path`, a sentence each.

    `processes` is the number of ranks whose random state is expected where no manifest
    says which files there were.
    """
    manifest = _read_json(path / MANIFEST)
    if manifest is None:
        yield from _missing(path, processes)
    else:
        for name, size in manifest["files"].items():
            actual = _size(path / name)
            if actual is None:
                yield f"{name} is missing"
            elif actual != size:
                yield f"{name} has {actual} bytes of {size}"
        if "optimizer.pt" not in manifest["files"] and not manifest.get("sharded", False):
            yield "it was saved without the optimizer's state (training.save_only_model)"
    yield from _cut(path)


def manifest_of(path: Path) -> dict[str, Any] | None:
    """The manifest of a checkpoint, None where it has none."""
    return _read_json(path / MANIFEST)


def listing(path: Path) -> dict[str, int]:
    """The files of a checkpoint and their sizes in bytes, without the manifest."""
    files = sorted(p for p in path.rglob("*") if p.is_file() and p.name != MANIFEST)
    return {str(p.relative_to(path)): p.stat().st_size for p in files}


def _missing(path: Path, processes: int) -> Iterator[str]:
    names = {p.name for p in path.iterdir()}
    if not names:
        yield "the folder is empty"
        return
    for name in _STATE:
        if name not in names:
            yield f"{name} is missing"
    if _INDEX in names:
        index = _read_json(path / _INDEX)
        shards = set() if index is None else set(index.get("weight_map", {}).values())
        if index is None:
            yield f"{_INDEX} is cut short"
        for name in sorted(shards - names):
            yield f"{name} is missing"
    elif not names.intersection(_WEIGHTS):
        yield "the weights are missing"
    ranks = (
        ["rng_state.pth"]
        if processes == 1
        else [f"rng_state_{rank}.pth" for rank in range(processes)]
    )
    for name in ranks:
        if name not in names:
            yield f"{name} is missing"


def _cut(path: Path) -> Iterator[str]:
    for file in sorted(path.rglob("*")):
        if file.suffix == ".safetensors" and not _whole_safetensors(file):
            yield f"{file.name} is cut short"
        elif file.suffix in (".pt", ".pth") and not zipfile.is_zipfile(file):
            # torch writes zip archives, and the directory of a zip archive stands at its end.
            yield f"{file.name} is cut short"
        elif file.name == "trainer_state.json" and _read_json(file) is None:
            yield f"{file.name} is cut short"


def _whole_safetensors(path: Path) -> bool:
    """True where the file is as long as its header says.

    Source: the safetensors format: 8 bytes of header length, a JSON header whose
    `data_offsets` count from the header's end, then the data.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(8)
        if len(head) < 8:
            return False
        (length,) = struct.unpack("<Q", head)
        if length > min(size - 8, _HEADER_LIMIT):
            return False
        try:
            header = json.loads(file.read(length))
        except ValueError:
            return False
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return bool(size == 8 + length + max(ends, default=0))


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
