"""Runs one command in a process of its own and measures it from outside.

Seconds of wall and of CPU (the process with the children it waited for), and the peak
resident memory of the largest process, in MiB.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_POLL = 0.02
"""Seconds between two looks at a metrics file: the error of a `Mark`."""

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Mark:
    """When a metrics file had so many lines: seconds of wall and CPU since the start."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Measured:
    """A command that ended well. `started` is in seconds since the epoch."""

    started: float
    wall: float
    cpu: float
    peak_rss: float
    marks: Mapping[int, Mark]


class CommandFailed(Exception):
    """A command that did not exit with 0; its message holds the end of what it printed."""


def run(
    command: Sequence[str | Path],
    *,
    log: Path,
    environment: Mapping[str, str],
    watch: Path | None = None,
    marks: Sequence[int] = (),
    pattern: str = "",
    limit: float = 600,
) -> Measured:
    """Run `command` with its output in `log`, and kill it after `limit` seconds.

    `marks` are counts of lines of the file `watch`, of those with `pattern`, at which to note the
    time.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        started, begun = time.time(), time.monotonic()
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )
        with _ended_by(process, limit):
            found = _look(process.pid, watch, marks, pattern, begun) if watch else {}
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - begun
    if process.returncode != 0:
        tail = log.read_text(encoding="utf-8", errors="replace")[-3000:]
        raise CommandFailed(f"{' '.join(map(str, command))}\nexit {process.returncode}\n{tail}")
    cpu = usage.ru_utime + usage.ru_stime
    return Measured(started, wall, cpu, usage.ru_maxrss / 1024, found)


@contextmanager
def _ended_by(process: subprocess.Popen[bytes], limit: float) -> Iterator[None]:
    """Kill the process and what it started after `limit`, or when this process is interrupted."""

    def kill() -> None:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(limit, kill)
    timer.start()
    try:
        yield
    except BaseException:
        kill()
        raise
    finally:
        timer.cancel()


def _look(
    pid: int, watch: Path, marks: Sequence[int], pattern: str, begun: float
) -> dict[int, Mark]:
    """Wait for the last of `marks`, or for the end of the process, which stays to be reaped."""
    found: dict[int, Mark] = {}
    wanted, counted = sorted(marks), re.compile(pattern.encode())
    lines, place = 0, 0
    while wanted and not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        time.sleep(_POLL)
        if not watch.exists() or watch.stat().st_size == place:
            continue
        with watch.open("rb") as file:
            file.seek(place)
            fresh = file.read()
        # A line that is not whole yet is read again.
        fresh = fresh[: fresh.rfind(b"\n") + 1]
        place += len(fresh)
        lines += sum(1 for line in fresh.splitlines() if counted.search(line))
        while wanted and lines >= wanted[0]:
            found[wanted.pop(0)] = Mark(time.monotonic() - begun, _cpu(pid))
    return found


def _cpu(pid: int) -> float:
    """CPU seconds of a process and the children it waited for (proc(5), fields 14 to 17)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS
