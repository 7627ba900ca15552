"""The memory of a process and of all that it started, while it runs.

Summed over processes, resident memory counts shared pages once for each: forked workers
share most of theirs. The proportional set size (PSS) of `/proc/PID/smaps_rollup` divides a
page by those that have it mapped, so that its sum is what the tree takes. It is read every
`EVERY` seconds; what comes and goes within that time is missed.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

EVERY = 0.05


class Watched:
    """Follows the tree of `process` until `stop`; `peak` is in MiB."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.peak = 0.0
        self._root = process.pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """The largest sum that was seen."""
        self._over.set()
        self._thread.join()
        return self.peak

    def _follow(self) -> None:
        while not self._over.wait(EVERY):
            self.peak = max(self.peak, sum(map(_pss, _tree(self._root))) / 1024)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        children = " ".join((thread / "children").read_text() for thread in threads)
    except (FileNotFoundError, ProcessLookupError):
        return
    for child in map(int, children.split()):
        yield from _tree(child)


def _pss(pid: int) -> int:
    """KiB; 0 for a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
