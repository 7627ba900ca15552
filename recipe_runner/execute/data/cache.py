"""Prepared data on disk, by the hash of everything that they depend on.

An entry is a folder that appears by one rename when it is complete, with a manifest:
the size and the hash of each file, and what its key was made of. One process builds an
entry at a time; the others wait for it. A folder that a killed process left half-built is
removed by the next build. Whoever reads an entry holds a shared lock on its manifest, so
that nobody removes it meanwhile.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from recipe_runner.execute.cache_root import cache_root as cache_root

MANIFEST = "manifest.json"
BUILDING = ".building"
_LOCK = ".lock"


@dataclass(frozen=True)
class Manifest:
    """What an entry says about itself.

    `files` has the size in bytes and the SHA-256 of each file, and the rows of those that
    are Arrow. `parts` is what the key was made of, `about` who built it and when, `notes`
    what the builder wants back.
    """

    files: Mapping[str, Mapping[str, Any]]
    parts: Mapping[str, Any]
    about: Mapping[str, Any]
    notes: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """The manifest of an entry's folder; None where there is none that can be read."""
        try:
            with (folder / MANIFEST).open("rb") as handle:
                return cls.parse(handle.read())
        except (FileNotFoundError, NotADirectoryError):
            return None

    @classmethod
    def parse(cls, text: bytes) -> Manifest | None:
        """The manifest that `text` is, None where it is another thing."""
        try:
            value = json.loads(text)
            made = cls(*(value[name] for name in ("files", "parts", "about", "notes")))
            whole = all(isinstance(file["bytes"], int) for file in made.files.values())
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        return made if whole else None


class Hold:
    """A shared lock on an entry's manifest, as long as this object lives."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __del__(self) -> None:
        os.close(self._descriptor)

    @classmethod
    def on(cls, handle: IO[bytes]) -> Hold | None:
        """None where somebody is removing the entry."""
        held = cls(os.dup(handle.fileno()))
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        return held


@dataclass(frozen=True)
class Entry:
    """Complete prepared data: a folder, and what its builder noted about it.

    `held` keeps the entry from being removed as long as this object lives.
    """

    folder: Path
    manifest: Manifest
    held: Hold | None = field(default=None, repr=False, compare=False)

    @property
    def notes(self) -> Mapping[str, Any]:
        """What the builder wants back."""
        return self.manifest.notes


@dataclass(frozen=True)
class Store:
    """The entries of one cache root."""

    root: Path

    @property
    def prepared(self) -> Path:
        """The folder of all entries."""
        return self.root / "prepared"

    def find(self, key: str) -> Entry | None:
        """The entry of `key`, held; None where there is none or its files are not whole.

        The time of its manifest says when it was used last.
        """
        folder = self.prepared / key
        try:
            with (folder / MANIFEST).open("rb") as handle:
                manifest, held = Manifest.parse(handle.read()), Hold.on(handle)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if manifest is None or held is None or not is_whole(folder, manifest):
            return None
        with contextlib.suppress(OSError):
            # A cache that can only be read is still one.
            os.utime(folder / MANIFEST)
        return Entry(folder, manifest, held)

    @contextmanager
    def locked(self, key: str, *, wait: bool = True) -> Iterator[None]:
        """Hold the right to build or to remove `key`; waits where another process holds it.

        Raises `BlockingIOError` in place of waiting where `wait` is False.
        """
        self.prepared.mkdir(parents=True, exist_ok=True)
        path = self.prepared / f"{key}{_LOCK}"
        how = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
        while True:
            with path.open("a") as handle:
                fcntl.flock(handle, how)
                # Whoever held it may have removed it: then another one counts by now.
                if not _is_at(handle, path):
                    continue
                try:
                    yield
                finally:
                    if not (self.prepared / key).exists():
                        path.unlink(missing_ok=True)
                return

    def begin(self, key: str) -> Path:
        """An empty folder to build `key` in. Call with the lock held."""
        self.sweep()
        folder = self.prepared / f"{key}{BUILDING}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def commit(
        self,
        key: str,
        notes: Mapping[str, Any],
        parts: Mapping[str, Any],
        about: Mapping[str, Any],
    ) -> Entry:
        """Make what was built for `key` an entry; the folder is synced to disk first."""
        building, folder = self.prepared / f"{key}{BUILDING}", self.prepared / key
        # Images that came as bytes lie in a folder of their own.
        built = (path for path in sorted(building.rglob("*")) if path.is_file())
        files = {path.relative_to(building).as_posix(): _described(path) for path in built}
        about = {**about, "built": time.time()}
        with (building / MANIFEST).open("w") as handle:
            value = {"files": files, "about": about, "parts": parts, "notes": notes}
            json.dump(value, handle, indent=1)
            handle.flush()
            os.fsync(handle.fileno())
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
        sync(self.prepared)
        with (folder / MANIFEST).open("rb") as manifest:
            held = Hold.on(manifest)
        return Entry(folder, Manifest(files, parts, about, notes), held)

    def abandon(self, key: str) -> None:
        """Remove what was built for `key` so far."""
        shutil.rmtree(self.prepared / f"{key}{BUILDING}", ignore_errors=True)

    def sweep(self) -> list[str]:
        """Remove folders whose builder is gone: nobody holds their lock. Returns their keys."""
        return [key for key in self.unfinished() if self._swept(key)]

    def unfinished(self) -> list[str]:
        """The keys that are being built, or whose builder was killed."""
        return sorted(f.name.removesuffix(BUILDING) for f in self.prepared.glob(f"*{BUILDING}"))

    def discard(self, key: str) -> None:
        """Remove the entry of `key`.

        Raises `BlockingIOError` where it is being built or in use.
        """
        folder = self.prepared / key
        with self.locked(key, wait=False):
            with contextlib.suppress(FileNotFoundError), (folder / MANIFEST).open("rb") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Half of it is never seen: what is left of a removal that is killed is swept.
                self.abandon(key)
                folder.rename(self.prepared / f"{key}{BUILDING}")
            shutil.rmtree(folder, ignore_errors=True)
            self.abandon(key)

    def _swept(self, key: str) -> bool:
        try:
            with self.locked(key, wait=False):
                self.abandon(key)
        except BlockingIOError:
            return False
        return True


def sync(path: Path) -> None:
    """Bring a file or a folder to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """The hash of a file, as 64 hexadecimal digits."""
    with path.open("rb", buffering=0) as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _described(path: Path) -> dict[str, Any]:
    sync(path)
    value: dict[str, Any] = {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
    if path.suffix == ".arrow":
        from recipe_runner.execute.data.layout import count_rows

        value["rows"] = count_rows(path)
    return value


def is_whole(folder: Path, manifest: Manifest) -> bool:
    """True where every file is there with its size."""
    try:
        return all(
            (folder / name).stat().st_size == file["bytes"] for name, file in manifest.files.items()
        )
    except (FileNotFoundError, NotADirectoryError):
        return False


def _is_at(handle: IO[Any], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False
