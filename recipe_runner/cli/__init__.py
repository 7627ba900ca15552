"""The command line: one module per command, each loaded only when it is used.

A command parses its arguments, calls the same functions that a program would call, and
prints. Nothing here decides anything about a run.
"""

from recipe_runner.cli.app import main

__all__ = ["main"]
