"""Launches a plan from a file in a process of its own, for tests that kill or interrupt it."""

from __future__ import annotations

import sys
from pathlib import Path

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.launch import exit_code_of, launch
from recipe_runner.execute.screen import PlainConsole
from recipe_runner.plan import decode
from tests.runs.train.by_hand import BY_HAND, RECIPE


def main(file: str) -> int:
    """Print progress line by line; by-hand rows where there is one process."""
    plan = decode(Path(file).read_text(encoding="utf-8"))
    console = PlainConsole(sys.stdout)
    rows = BY_HAND if plan.launch.num_processes == 1 else None
    try:
        outcome = launch(plan, RECIPE, RECIPE, console, suppliers=rows)
    except DiagnosticError as error:
        for diagnostic in error.diagnostics:
            console.diagnostic(diagnostic)
        return exit_code_of(error)
    return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
