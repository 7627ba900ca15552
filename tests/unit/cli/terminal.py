"""A program on a pseudo-terminal, for what a command does only in front of a person."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def on_terminal(
    arguments: Sequence[str], cwd: Path, answers: str = "", environment: Mapping[str, str] = {}
) -> tuple[int, str]:
    """The exit code of `recipe-run` on a terminal of 80 columns, and all that it showed."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(cwd)
        shown = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24", **environment}
        os.execve(sys.executable, [sys.executable, "-m", "recipe_runner", *arguments], shown)
    os.write(terminal, answers.encode())
    shown_bytes = b""
    try:
        while chunk := os.read(terminal, 4096):
            shown_bytes += chunk
    except OSError:  # Linux reports the end of a terminal as an error
        pass
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), shown_bytes.decode().replace("\r\n", "\n")
