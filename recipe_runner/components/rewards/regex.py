"""A pattern that an answer has, or has not."""

import re
from typing import ClassVar, Literal

from recipe_runner.components.reward import Answer, Pattern, Reward, in_time


class Regex(Reward):
    """One worth for answers that match a regular expression, and another for the rest.

    Use it for a form that can be told by looking at it: a final line, a forbidden phrase (with a
    negative `reward`), a date. The language is that of Python's `re`: `(?s)` lets a dot stand
    for a line break as well, `(?i)` takes capital and small letters for the same. A pattern that
    works on one answer for more than five seconds, as one that repeats a repetition may, ends
    the run with the answer's row.
    """

    type: Literal["regex"]
    pattern: Pattern
    """The regular expression."""
    full: bool = False
    """Match the whole answer, and not only a part of it."""
    reward: float = 1.0
    """What an answer is worth that matches."""
    otherwise: float = 0.0
    """What an answer is worth that does not."""

    snippet: ClassVar[str] = "rewards: {type: regex, pattern: '(?m)^The answer is .+[.]$'}"

    def judge(self, answer: Answer) -> float:
        with in_time(f"the pattern `{self.pattern}`", answer.text):
            found = (re.fullmatch if self.full else re.search)(self.pattern, answer.text)
        return self.otherwise if found is None else self.reward
