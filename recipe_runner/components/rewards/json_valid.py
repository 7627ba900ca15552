"""Answers that are JSON."""

import json
import re
from typing import Any, ClassVar, Literal, NoReturn

from recipe_runner.components.reward import Answer, Reward

_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*?)\n?[ \t]*```", re.DOTALL)


class JsonValid(Reward):
    """1 for an answer that is JSON and nothing else, else 0.

    Use it for tool calls and data that a program reads, mostly beside a reward for what the
    JSON says: a bare `1` is JSON as well. `NaN` and `Infinity` are no JSON.
    """

    type: Literal["json_valid"]
    fenced: bool = False
    """Look into the last fenced block of the answer where it has one."""

    snippet: ClassVar[str] = "rewards: json_valid"

    def judge(self, answer: Answer) -> float:
        try:
            read_json(answer.text, fenced=self.fenced)
        except NotJsonError:
            return 0.0
        return 1.0


class NotJsonError(ValueError):
    """A text that is no JSON."""


def read_json(text: str, *, fenced: bool) -> Any:
    """The value that an answer writes. Raises `NotJsonError`."""
    blocks = _FENCED.findall(text) if fenced else []
    try:
        return json.loads(blocks[-1] if blocks else text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise NotJsonError(str(error)) from error


def _refuse(constant: str) -> NoReturn:
    raise NotJsonError(f"{constant} is no JSON")
