"""Serves a plan of a file with a command, in a process of its own that tests interrupt and kill."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from recipe_runner.execute.generation.server import serving
from recipe_runner.execute.screen import PlainConsole
from recipe_runner.plan import decode


def main(file: str, *command: str) -> int:
    """Say `inside` when the server answers, and wait there; 130 for an interrupt."""
    plan = decode(Path(file).read_text(encoding="utf-8"))
    try:
        console, devices = PlainConsole(sys.stdout), ("0", "1")
        with serving(plan, console, command=command, devices=devices, grace=0.5):
            print("inside", flush=True)
            time.sleep(600)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
