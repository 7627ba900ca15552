"""The axis of rewards: what an answer is worth, for algorithms that learn from their own answers.

A reward is plain Python on texts and on the row's columns, so that it runs and is tested
without torch. One that a model gives, one of TRL's own and code of the user's are called by
`execute`.
"""

import re
from collections import deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from recipe_runner.components import clock
from recipe_runner.components.base import OWN, Component
from recipe_runner.components.other_model import OtherModel
from recipe_runner.plan import Requirement
from recipe_runner.rows import what_is

UNUSABLE = "reward-unusable"
"""What pydantic calls options that a reward cannot work with; the recipe's loader tells them."""

Unit = Literal["characters", "words", "tokens"]

Text = Annotated[str, Field(min_length=1)]


def unusable(words: str) -> PydanticCustomError:
    """The error to raise for options that a reward cannot work with; `words` go on after its name."""
    return PydanticCustomError(UNUSABLE, "{words}", {"words": words})


def _readable(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise unusable(f"has `{pattern}`, which is no regular expression: {error}") from error
    return pattern


Pattern = Annotated[str, AfterValidator(_readable)]
"""A regular expression of Python."""


class RewardError(Exception):
    """An answer cannot be judged; the message says why in the row's own words."""


@contextmanager
def in_time(what: str, text: str) -> Iterator[None]:
    """End a block that goes through `text` for too long. Raises `RewardError`.

    `what` takes the time: "the pattern `(a+)+$`".
    """
    try:
        with clock.clocked(clock.SECONDS):
            yield
    except clock.TookTooLongError as error:
        words = f"{what} takes more than {clock.SECONDS:g} seconds on {len(text):,} characters"
        raise RewardError(words) from error


@dataclass(frozen=True)
class Answer:
    """What a reward looks at: an answer to a prompt, and the row that the prompt is from.

    `text` is the answer's text, `prompt` the text of the prompt, `row` the other columns of
    the row by their names, `token_ids` the answer's tokens as far as it goes: without padding,
    with the end token where the model wrote one.
    """

    text: str
    prompt: str = ""
    row: Mapping[str, Any] = field(default_factory=dict)
    token_ids: Sequence[int] = ()

    def column(self, name: str) -> Any:
        """The row's value in a column. Raises `RewardError` where it has none."""
        value = self.row.get(name)
        if value is not None:
            return value
        if name in self.row:
            raise RewardError(f"the row has null in column `{name}`")
        have = ", ".join(f"`{each}`" for each in self.row) or "no columns"
        raise RewardError(f"the row has no column `{name}`; it has {have}")

    def texts(self, name: str) -> list[str]:
        """A column's text or texts, numbers and truth values as JSON writes them.

        Raises `RewardError` where it holds something else, or nothing.
        """
        value = self.column(name)
        found = list(value) if isinstance(value, list | tuple) else [value]
        if not found:
            raise RewardError(f"the row has an empty list in column `{name}`")
        return [_text(each, name) for each in found]

    def size(self, unit: Unit) -> int:
        """How long the answer is."""
        return len(self.parts(unit))

    def parts(self, unit: Unit) -> Sequence[Hashable]:
        """The answer's characters, its words (between white space), or its tokens."""
        if unit == "characters":
            return self.text
        return self.text.split() if unit == "words" else self.token_ids


def _text(value: Any, column: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise RewardError(f"the row has {what_is(value)} in column `{column}`, and no text or number")


class UpstreamFunction(NamedTuple):
    """A reward function of TRL.

    `columns` are columns of the row by the argument that takes them, `arguments` are the same
    for all rows. `makes` are the arguments of a target that makes the function, None where the
    target is the function.
    """

    target: str
    columns: Mapping[str, str] = {}
    arguments: Mapping[str, Any] = {}
    makes: Mapping[str, Any] | None = None


class _NoModel:
    """None on a reward, unless its class has a field of the name.

    A property would come before such a field, and pydantic would take it for its default.
    """

    def __get__(self, reward: object, kind: type) -> OtherModel | None:
        if reward is None:
            raise AttributeError("model")
        return None


class Reward(Component):
    """A way to judge an answer.

    `weight` and `name` are common to all. `columns` are the columns of the row that it
    reads, `requires` the packages that it needs. `model`, `code` and `upstream_function` name
    what `execute` has to load or call: a reward without any judges with `judge`.
    """

    weight: Annotated[float, OWN] = 1.0
    """Factor of this reward in the sum; negative to punish."""
    name: Annotated[Text | None, OWN] = None
    """Name in metrics and in `completions.jsonl`; null is the type's own."""

    requires: ClassVar[tuple[Requirement, ...]] = ()
    model: ClassVar[_NoModel] = _NoModel()

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that every row has to have."""
        return ()

    @property
    def code(self) -> tuple[str, str] | None:
        """A Python file and the function in it that judges, where the recipe names one."""
        return None

    @property
    def upstream_function(self) -> UpstreamFunction | None:
        """The function of TRL that judges, where one does."""
        return None

    def prepare(self) -> None:
        """Look at options that only a package can judge, before the first answer.

        Raises `RewardError`.
        """

    def judge(self, answer: Answer) -> float:
        """What the answer is worth, a finite number. Raises `RewardError` where the row cannot be judged."""
        raise NotImplementedError


class Comparison(Reward):
    """A reward that compares the answer, or a part of it, with a column of the row."""

    column: Text = "answer"
    """Column of the row with the right answer; a list of them means that any will do."""
    extract: Pattern | None = None
    """Regular expression whose first group, in its last match, is the answer; null takes all that the model wrote."""

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def said(self, answer: Answer) -> str | None:
        """What the model answered, None where `extract` finds nothing."""
        if self.extract is None:
            return answer.text
        with in_time(f"the pattern `{self.extract}`", answer.text):
            matches = deque(re.finditer(self.extract, answer.text), maxlen=1)
        if not matches:
            return None
        return matches[0][min(1, matches[0].re.groups)]
