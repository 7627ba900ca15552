"""The file of answers: written as they come, renamed when it is whole.

Until then it is `NAME.partial`, which a later run goes on from. `NAME.settings.json` beside it
says what answered and how, so that nothing else goes on with it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from recipe_runner.execute.answering.prompt import is_halved
from recipe_runner.execute.answering.rows import PromptRow
from recipe_runner.execute.atomic import sync_folder, write_json

_SCHEMA = "recipe-run-answers/1"


class OtherAnswers(Exception):
    """What is there are answers to other prompts, by another model, or none; the text says why."""


@dataclass
class AnswersFile:
    """`path` is where the answers end up, `done` how many rows it had when it was opened.

    `settings` are values of JSON that say what answers, and how.
    """

    path: Path
    settings: Mapping[str, Any]
    done: int = 0
    _file: IO[str] | None = field(default=None, repr=False)

    @property
    def partial(self) -> Path:
        """Where the answers are until all are there."""
        return self.path.with_name(f"{self.path.name}.partial")

    @property
    def settings_file(self) -> Path:
        """Where the settings are, for good."""
        return self.path.with_name(f"{self.path.name}.settings.json")

    def open(self, rows: Sequence[PromptRow], columns: Sequence[str], *, resume: bool) -> None:
        """Begin, or with `resume` keep what is there. Raises `OtherAnswers` and OSError."""
        kept = self._kept(rows, columns) if resume else []
        self.done = len(kept)
        write_json(self.settings_file, {"schema": _SCHEMA, **self.settings})
        # A crash in here leaves what was there: it is replaced in one step.
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        fresh.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        fresh.replace(self.partial)
        self._file = self.partial.open("a", encoding="utf-8")

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows, so that they are there whatever ends the program."""
        assert self._file is not None, "opened before"
        self._file.write("".join(line_of(row) for row in rows))
        self._file.flush()

    def finish(self) -> None:
        """Give the file its name."""
        assert self._file is not None, "opened before"
        os.fsync(self._file.fileno())
        self._file.close()
        self.partial.replace(self.path)
        sync_folder(self.path.parent)

    def leave(self) -> None:
        """Close what is not whole yet."""
        if self._file is not None:
            self._file.close()

    def _kept(self, rows: Sequence[PromptRow], columns: Sequence[str]) -> list[str]:
        there = self.partial if self.partial.exists() else self.path
        if not there.exists():
            return []
        try:
            *lines, rest = there.read_text(encoding="utf-8").split("\n")
        except UnicodeDecodeError as error:
            raise OtherAnswers(f"{there} is no text") from error
        # Only a line that is written at the moment of a crash is cut off.
        if rest and there == self.path:
            lines.append(rest)
        if lines or rest:
            self._demand_alike(there)
        for number, line in enumerate(lines):
            if number >= len(rows) or not _answers(line, rows[number], columns):
                raise OtherAnswers(
                    f"row {number + 1} of {there} is no answer to prompt {number + 1}"
                )
        return lines

    def _demand_alike(self, there: Path) -> None:
        """Raise `OtherAnswers` where other settings, or nobody knows which, led to `there`."""
        try:
            made = json.loads(self.settings_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            made = None
        if not isinstance(made, dict) or made.get("schema") != _SCHEMA:
            raise OtherAnswers(
                f"nothing says what answered in {there}: there is no {self.settings_file.name}"
            )
        for name, value in self.settings.items():
            if made.get(name) != value:
                raise OtherAnswers(
                    f"{there} was made with {name} {made.get(name)}, and this is {value}"
                )


def line_of(row: Mapping[str, Any]) -> str:
    """A row as a line of JSON."""
    text = json.dumps(row, ensure_ascii=False)
    return (json.dumps(row) if is_halved(text) else text) + "\n"


def _answers(line: str, row: PromptRow, columns: Sequence[str]) -> bool:
    try:
        found = json.loads(line)
    except ValueError:
        return False
    if not isinstance(found, dict) or any(column not in found for column in columns):
        return False
    return {k: v for k, v in found.items() if k not in columns} == dict(row.row)
