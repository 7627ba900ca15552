"""An exception that nobody expected becomes RR901; the traceback goes into a file."""

from __future__ import annotations

import os
import platform
import tempfile
import traceback
from collections.abc import Sequence

from recipe_runner import __version__
from recipe_runner.diagnostics import Diagnostic, Place
from recipe_runner.execute.codes.during import INTERNAL


def crashed(error: Exception, arguments: Sequence[str]) -> Diagnostic:
    """Write the traceback of `error` to a file of the temporary folder and say where it is."""
    command = " ".join(["recipe-run", *arguments])
    text = "".join(traceback.format_exception(error))
    try:
        handle, log = tempfile.mkstemp(prefix="recipe-run-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(
                f"{command}\nrecipe_runner {__version__}, Python {platform.python_version()}"
            )
            file.write(f"\n\n{text}")
        where = f"the traceback is in {log}"
    except OSError as failure:
        where = f"the traceback could not be written: {failure.strerror}"
    lines = str(error).strip().splitlines()
    said = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return Diagnostic(
        INTERNAL,
        f"{said}; {where}",
        Place("recipe-run"),
        "this is a bug in recipe_runner; report it with that file and the recipe",
    )
