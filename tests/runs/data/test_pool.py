"""Errors of workers reach the parent as they are, or as their words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from recipe_runner.diagnostics import DiagnosticError, Place
from recipe_runner.diagnostics.diagnostic import Diagnostic
from recipe_runner.execute.data.codes import DATA_UNREADABLE
from recipe_runner.execute.data.pool import each
from recipe_runner.execute.data.work import Bench, Reader, Task
from recipe_runner.execute.tokenize import TokenizeSettings
from recipe_runner.plan import LossPlan
from recipe_runner.rows.row import Chunk, Located

pytestmark = pytest.mark.runs

FOUND = Diagnostic(DATA_UNREADABLE, "the disk is gone", Place("data.jsonl"), "mount it")


class TwoWordsError(Exception):
    """An exception of a library that is not made of its text alone."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


class Failing:
    """Rows that cannot be read."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.chunks: Sequence[Chunk] = [Chunk(n, n + 1) for n in range(4)]

    def __len__(self) -> int:
        return len(self.chunks)

    def read(self, chunk: Chunk) -> Iterator[Located]:
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        pytest.param(DiagnosticError(FOUND), DiagnosticError, "the disk is gone", id="diagnostic"),
        pytest.param(
            TwoWordsError("no", "luck"), RuntimeError, "TwoWordsError: no luck", id="other"
        ),
    ],
)
def test_an_error_of_a_worker_is_told(
    error: Exception, kind: type[Exception], words: str, source: Any, tokenizer: Any, tmp_path: Any
) -> None:
    rows = Failing(error)
    reader = Reader(source(tmp_path / "data.jsonl"), rows)
    bench = Bench(reader, tokenizer, TokenizeSettings(LossPlan.of("assistant")))
    with pytest.raises(kind, match=words):
        list(each([bench], [Task(0, chunk) for chunk in rows.chunks], 2))


SIGNAL_WHILE_FORKING = """
import os, signal
from recipe_runner.execute.data.pool import each
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT))
try:
    list(each([], [None] * 4, 2))
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_while_a_worker_starts_is_not_lost() -> None:
    command = [sys.executable, "-c", SIGNAL_WHILE_FORKING]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")
