"""Content hashes of files, remembered by what the file system says about them.

A file that keeps its path, size, modification time and inode is not read again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

_BLOCK = 4 << 20
_YOUNG = 2.0
"""Seconds: a file changed this shortly before may change again within one clock tick."""


class FileHashes:
    """SHA-256 of files, with an index in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "files.json"
        self._found: dict[str, list[str]] = {}

    def of(self, files: Sequence[str]) -> list[str]:
        """The hash of each file, as 64 hexadecimal digits. Raises OSError as `open` does."""
        known = self._read()
        hashes = []
        for file in files:
            mark = stamp(file)
            entry = known.get(file)
            if entry is None or entry[0] != mark:
                entry = [mark, _sha256(file)]
                if time.time() - Path(file).stat().st_mtime > _YOUNG:
                    self._found[file] = entry
            hashes.append(str(entry[1]))
        return hashes

    def keep(self) -> None:
        """Write what was found to the index; where it cannot be written, files are read again."""
        if not self._found:
            return
        with contextlib.suppress(OSError):
            self._write()

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            kept = {f: e for f, e in self._read().items() if Path(f).exists()}
            part = self.path.with_suffix(".part")
            part.write_text(json.dumps(kept | self._found))
            part.rename(self.path)

    def _read(self) -> dict[str, list[str]]:
        try:
            index = json.loads(self.path.read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return {}
        return index if isinstance(index, dict) else {}


def stamp(file: str) -> str:
    """What the file system says about a file; another text after any change."""
    status = os.stat(file)  # noqa: PTH116  # a plain call, this runs per file of a folder
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ino}"


def stamps(files: Iterable[str]) -> dict[str, str]:
    """The stamps of those files that are there."""
    found = {}
    for file in files:
        with contextlib.suppress(OSError):
            found[file] = stamp(file)
    return found


def _sha256(file: str) -> str:
    digest = hashlib.sha256()
    with Path(file).open("rb", buffering=0) as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
