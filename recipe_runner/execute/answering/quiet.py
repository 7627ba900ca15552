"""Keeps what libraries print away from the conversation, in a log that stays only where it is needed."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.environment import chatter_into
from recipe_runner.execute.failure import explained
from recipe_runner.execute.finished import FinishedRun

_MEMORY = "lower --max-new-tokens and the --batch-size of generate, or take --dtype bfloat16"


class Quiet(AbstractContextManager["Quiet"]):
    """Holds the log. Within `working()` libraries print there, and what they raise is explained."""

    def __init__(self, finished: FinishedRun) -> None:
        self._finished = finished
        handle, name = tempfile.mkstemp(prefix="recipe-run-", suffix=".log")
        os.close(handle)
        self._log = Path(name)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """For work of libraries; whoever shows something meanwhile keeps the stream it has."""
        finished = self._finished
        where = finished.run.path
        with explained(finished.plan, where, self._log, memory=_MEMORY), chatter_into(self._log):
            yield

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        told = isinstance(error, DiagnosticError) and any(
            self._log.name in diagnostic.message for diagnostic in error.diagnostics
        )
        if not told:
            self._log.unlink(missing_ok=True)
