"""Ends a server with the run: `python -m recipe_runner.execute.generation.keeper COMMAND`.

The kernel can tell a process that its parent has ended, also where that was killed. It does
not tell the processes which that one has started, and vLLM's engines would hold the memory
of the GPUs and the port. This process stands between the run and the server, in the process
group of the server: when the run ends, it kills the group, itself included.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from types import FrameType

from recipe_runner.execute.worker import die_with_parent


def main(*command: str) -> int:
    """Run `command`; returns its exit code, or ends by the signal that it ended by."""
    # The run asks the whole group to end, and wants to know how the server did.
    signal.signal(signal.SIGTERM, _go_on)
    signal.signal(signal.SIGUSR1, _kill_group)
    die_with_parent(signal.SIGUSR1)
    code = subprocess.Popen(command, preexec_fn=die_with_parent).wait()
    if code < 0:
        with contextlib.suppress(OSError):  # nobody handles SIGKILL
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def _go_on(number: int, frame: FrameType | None) -> None:
    """Unlike a signal that is ignored, the server does not inherit this."""


def _kill_group(number: int, frame: FrameType | None) -> None:
    del number, frame
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
