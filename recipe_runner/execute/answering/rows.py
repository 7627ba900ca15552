"""Rows of a file of prompts, each of them sound before anything is answered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place, Position, Span
from recipe_runner.execute.answering.prompt import Message, is_halved
from recipe_runner.execute.codes.chat import PROMPT_UNREADABLE

_SHOWN = 20
_SHOWN_LENGTH = 200
_HELP = "correct the row; --column names the column with the prompt"


@dataclass(frozen=True)
class PromptRow:
    """A row, where it is, and its prompt: turns, or a text that stands for one turn of the user."""

    line: int
    text: str
    row: Mapping[str, Any]
    prompt: str | tuple[Message, ...]

    @property
    def turns(self) -> list[Message]:
        """The prompt as turns."""
        if isinstance(self.prompt, str):
            return [{"role": "user", "content": self.prompt}]
        return list(self.prompt)


@dataclass(frozen=True)
class PromptFile:
    """The rows of a file, in order; `blank` counts lines with nothing on them."""

    name: str
    rows: tuple[PromptRow, ...]
    blank: int = 0


def read_prompts(
    name: str, text: str, *, json_lines: bool, column: str | None, taken: Sequence[str]
) -> PromptFile:
    """The prompts in `text`: one a line, or a JSON object a line.

    `column` holds the prompt, by default `prompt`, else `messages`. `taken` are the columns that
    will be written. Reports RR630 for each row that is no prompt.
    """
    rows, faults, blank = [], [], 0
    # A line ends with a line feed only: JSON may have other line separators in its texts.
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    for number, line in enumerate(lines if text else (), start=1):
        if not line.strip():
            blank += 1
            continue
        try:
            row = _object(line) if json_lines else {column or "prompt": line}
            rows.append(PromptRow(number, line, row, _prompt(row, column, taken)))
        except ValueError as error:
            faults.append(unreadable(name, number, line, str(error)))
    raise_all(faults)
    return PromptFile(name, tuple(rows), blank)


def unreadable(name: str, number: int, line: str, why: str, help: str = _HELP) -> Diagnostic:
    """The diagnostic of a row that is no prompt."""
    here = Position(number, 1, 0)
    return Diagnostic(
        PROMPT_UNREADABLE, why, Place(name, Span(here, here), line[:_SHOWN_LENGTH]), help
    )


def raise_all(faults: Sequence[Diagnostic]) -> None:
    """Raise the first of `faults`, where there are any."""
    if faults:
        raise DiagnosticError(*faults[:_SHOWN])


def _object(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ValueError(f"the line is no JSON: {error}") from error
    if not isinstance(row, dict):
        raise ValueError("the line is no JSON object")
    return row


def _prompt(
    row: Mapping[str, Any], column: str | None, taken: Sequence[str]
) -> str | tuple[Message, ...]:
    for name in taken:
        if name in row:
            raise ValueError(
                f"the row has a column `{name}` of its own, which the answers would replace"
            )
    name = column or ("prompt" if "prompt" in row else "messages")
    if name not in row:
        given = f"no `{column}`" if column else "neither `prompt` nor `messages`"
        raise ValueError(f"the row has {given}; it has {', '.join(row) or 'no column'}")
    value = row[name]
    if is_halved(json.dumps(value, ensure_ascii=False)):
        raise ValueError(f"`{name}` has half of a character, a lone surrogate")
    if isinstance(value, str):
        if not value.strip():
            raise ValueError(f"`{name}` is empty")
        return value
    if not isinstance(value, list) or not value:
        raise ValueError(f"`{name}` is neither a text nor a list of messages")
    turns = list(_turns(name, value))
    # The answer of a row that trains, or an older one, is what is asked for.
    if turns[-1]["role"] == "assistant":
        turns.pop()
    if not turns:
        raise ValueError(f"`{name}` has an answer and no question")
    return tuple(turns)


def _turns(name: str, value: Sequence[Any]) -> Iterator[Message]:
    for number, turn in enumerate(value):
        where = f"`{name}[{number}]`"
        if not isinstance(turn, dict) or not isinstance(turn.get("role"), str):
            raise ValueError(f"{where} is no message: it has no `role`")
        content = turn.get("content")
        if not isinstance(content, str) and not (content is None and "tool_calls" in turn):
            raise ValueError(f"the `content` of {where} is no text")
        yield turn
