"""Prepared data on disk, by the hash of everything that they depend on.

An entry is a folder that appears by one rename when it is complete, with a manifest
of its files' sizes. One process builds an entry at a time; the others wait for it. A
folder that a killed process left half-built is removed by the next build.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MANIFEST = "manifest.json"
_BUILDING = ".building"
_LOCK = ".lock"


def cache_root() -> Path:
    """`RECIPE_RUNNER_CACHE`, or `recipe_runner` in `XDG_CACHE_HOME` or `~/.cache`."""
    if own := os.environ.get("RECIPE_RUNNER_CACHE"):
        return Path(own).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "recipe_runner"


@dataclass(frozen=True)
class Entry:
    """Complete prepared data: a folder, and what its builder noted about it."""

    folder: Path
    notes: Mapping[str, Any]


@dataclass(frozen=True)
class Store:
    """The entries of one cache root."""

    root: Path

    @property
    def prepared(self) -> Path:
        """The folder of all entries."""
        return self.root / "prepared"

    def find(self, key: str) -> Entry | None:
        """The entry of `key`, or None where there is none or its files are not whole."""
        folder = self.prepared / key
        try:
            manifest = json.loads((folder / _MANIFEST).read_bytes())
            files, notes = manifest["files"], manifest["notes"]
            whole = all((folder / name).stat().st_size == size for name, size in files.items())
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
            return None
        return Entry(folder, notes) if whole else None

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Hold the right to build `key`; waits where another process holds it."""
        self.prepared.mkdir(parents=True, exist_ok=True)
        with (self.prepared / f"{key}{_LOCK}").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def begin(self, key: str) -> Path:
        """An empty folder to build `key` in. Call with the lock held."""
        self._sweep()
        folder = self.prepared / f"{key}{_BUILDING}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def commit(self, key: str, notes: Mapping[str, Any]) -> Entry:
        """Make what was built for `key` an entry; the folder is synced to disk first."""
        building, folder = self.prepared / f"{key}{_BUILDING}", self.prepared / key
        files = {p.name: p.stat().st_size for p in sorted(building.iterdir())}
        for name in files:
            _sync(building / name)
        with (building / _MANIFEST).open("w") as handle:
            json.dump({"files": files, "notes": notes}, handle, indent=1)
            handle.flush()
            os.fsync(handle.fileno())
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
        _sync(self.prepared)
        return Entry(folder, notes)

    def abandon(self, key: str) -> None:
        """Remove what was built for `key` so far."""
        shutil.rmtree(self.prepared / f"{key}{_BUILDING}", ignore_errors=True)

    def _sweep(self) -> None:
        """Remove folders whose builder is gone: nobody holds their lock."""
        for folder in self.prepared.glob(f"*{_BUILDING}"):
            lock = folder.with_suffix(_LOCK)
            with lock.open("a") as handle:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                shutil.rmtree(folder, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
