"""How workers speak to the process that launched them: marked JSON lines on stdout.

What a worker has to say while it trains is short and goes through the pipe. How it
ended goes into files, which may be as long as they need to be: the outcome into
`run.json`, a failure into `failure.rankN.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from recipe_runner.diagnostics import Code, Diagnostic, Place, Position, Span
from recipe_runner.execute import atomic
from recipe_runner.execute.codes import CODES
from recipe_runner.execute.console import Console, Progress

_MARK = "@recipe-run "


class Relay:
    """A console that writes to the launching process; silent on ranks other than 0."""

    def __init__(self, stream: IO[str], rank: int) -> None:
        self._stream = stream
        self._rank = rank

    def hello(self, pid: int) -> None:
        """Tell which process has this rank; all ranks do."""
        self._send({"kind": "hello", "rank": self._rank, "pid": pid})

    def line(self, text: str) -> None:
        if self._rank == 0:
            self._send({"kind": "line", "text": text})

    def diagnostic(self, diagnostic: Diagnostic) -> None:
        if self._rank == 0:
            self._send({"kind": "diagnostic", **to_json(diagnostic)})

    def progress(self, progress: Progress | None) -> None:
        if self._rank == 0:
            self._send({"kind": "progress", "at": None if progress is None else asdict(progress)})

    def _send(self, event: Mapping[str, Any]) -> None:
        # One write per line: lines of several ranks share the pipe.
        self._stream.write(_MARK + json.dumps(event) + "\n")
        self._stream.flush()


def receive(line: str, console: Console) -> tuple[int, int] | None:
    """Pass a worker's line on to `console`; returns (rank, pid) for a hello.

    Raises ValueError for a line that no worker of ours wrote.
    """
    if not line.startswith(_MARK):
        raise ValueError("not a line of a worker")
    event = json.loads(line.removeprefix(_MARK))
    match event["kind"]:
        case "hello":
            return int(event["rank"]), int(event["pid"])
        case "line":
            console.line(event["text"])
        case "diagnostic":
            console.diagnostic(from_json(event))
        case "progress":
            console.progress(None if event["at"] is None else Progress(**event["at"]))
    return None


def write_failure(path: Path, diagnostics: tuple[Diagnostic, ...]) -> None:
    """Leave what ended a rank for the launching process."""
    atomic.write_json(path, [to_json(diagnostic) for diagnostic in diagnostics])


def read_failure(path: Path) -> tuple[Diagnostic, ...]:
    """What ended a rank; empty where it left nothing."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    return tuple(from_json(value) for value in values)


def to_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """A diagnostic as JSON values; the code by its id, its name and its severity."""
    return {
        "code": diagnostic.code.id,
        "name": diagnostic.code.name,
        "severity": diagnostic.code.severity,
        "message": diagnostic.message,
        "help": diagnostic.help,
        "place": asdict(diagnostic.place),
    }


def from_json(value: Mapping[str, Any]) -> Diagnostic:
    """Read back what `to_json` wrote. Codes of other parts come without their page."""
    ours = {code.id: code for code in CODES}
    code = ours.get(value["code"]) or Code(
        value["code"], value["name"], "", severity=value["severity"]
    )
    span = value["place"]["span"]
    place = Place(
        value["place"]["path"],
        Span(Position(**span["start"]), Position(**span["end"])),
        value["place"]["line_text"],
        value["place"]["line_column"],
    )
    return Diagnostic(code, value["message"], place, value["help"])
