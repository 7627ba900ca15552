"""The axis of data formats: what a row looks like, and the example it becomes.

A format's row function is plain Python on dicts, so that it runs and is tested
without torch. It never repairs a row in silence: a row that does not fit raises
`RowProblem`, and the recipe's policy decides what happens to it.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypedDict

from recipe_runner.components.base import Component
from recipe_runner.plan import Shape
from recipe_runner.rows import Row, RowProblem, what_is


class ContentPart(TypedDict, total=False):
    """A part of a message with several: a text, or an image by its path, URL or bytes."""

    type: Literal["text", "image"]
    text: str
    image: str | bytes


class MarkedSpan(TypedDict):
    """Characters of a message's content, `begin` up to, not including, `end`: trained or not."""

    begin: int
    end: int
    train: bool


class Message(TypedDict, total=False):
    """One turn of a conversation, in the words of chat templates.

    `train`, `weight` and `train_spans` are ours and never reach the template: whether the
    turn trains whatever its role, the factor of its loss, and which of its characters train.
    """

    role: str
    content: str | list[ContentPart]
    reasoning_content: str
    tool_calls: list[Any]
    name: str
    tool_call_id: str
    train: bool
    weight: float
    train_spans: list[MarkedSpan]


class Segment(TypedDict):
    """A piece of text, trained or not."""

    text: str
    train: bool


class Example(TypedDict, total=False):
    """What a row becomes, in TRL's words; which keys there are follows from the shape.

    - conversation: `messages`, and `tools` for the chat template
    - prompt_completion: `prompt` and `completion`, both texts or both lists of messages
    - text: `text`
    - tokenized: `input_ids`, and `labels` (-100 where no loss is taken) or none for all
    - segments: `segments`
    - preference: `chosen`, `rejected`, and `prompt` unless all answers begin with it;
      `reference`, a third answer worth imitating, where the row has one, and `margin` where
      it says by how much the one is better
    - unpaired_preference: `prompt`, `completion`, `label` (True for a good answer)
    - stepwise: `prompt`, `completions`, `labels` (one truth value for each step)
    - prompt: `prompt`, and in `columns` what else the row has, for rewards to compare with

    `chat_template_kwargs` of a row win over those of the recipe. The content of a message
    is a list of parts only where it holds an image.
    """

    messages: list[Message]
    prompt: str | list[Message]
    columns: Mapping[str, Any]
    completion: str | list[Message]
    chosen: str | list[Message]
    rejected: str | list[Message]
    reference: str | list[Message]
    margin: float
    label: bool
    completions: list[str]
    labels: list[int] | list[bool]
    text: str
    input_ids: list[int]
    segments: list[Segment]
    tools: list[Any]
    chat_template_kwargs: Mapping[str, Any]


class Format(Component):
    """How the rows of a data set are laid out.

    `shape` says what `to_example` returns. `recognises` looks at column names and one
    row, and returns the reason why this format fits, or None; `auto` asks the formats
    in order of their `rank`, lowest first, and sets what `recognised_options` says.
    """

    shape: ClassVar[Shape]
    rank: ClassVar[int] = 50

    @abstractmethod
    def to_example(self, row: Row) -> Example:
        """Turn one row into an example, or raise `RowProblem`."""

    @property
    def example_shape(self) -> Shape:
        """What `to_example` returns with these options; `shape` unless a format has several."""
        return self.shape

    @property
    def renders_chat(self) -> bool:
        """True where the examples go through a chat template."""
        return self.shape == "conversation"

    @classmethod
    @abstractmethod
    def recognises(cls, row: Row) -> str | None:
        """Why this format fits a data set whose first row is `row`; None where it does not."""

    @classmethod
    def recognised_options(cls, row: Row) -> Mapping[str, Any]:  # noqa: ARG003  # for subclasses
        """The options that a recognised row asks for, such as the names of its columns."""
        return {}


def says_something(message: Message) -> bool:
    """True where a message has more than its role: a text, an image, thoughts or a tool call."""
    return any(message.get(key) for key in ("content", "tool_calls", "reasoning_content"))


def require_column(row: Row, column: str) -> Any:
    """The row's value in `column`; raises `RowProblem` where it is missing or null."""
    if column not in row:
        have = ", ".join(f"`{name}`" for name in row) or "no columns"
        raise RowProblem("missing-column", f"has no column `{column}`; it has {have}")
    if row[column] is None:
        raise RowProblem("null-column", f"has null in column `{column}`")
    return row[column]


def require_text(row: Row, column: str) -> str:
    """The row's text in `column`; raises `RowProblem` where it is missing or no text."""
    value = require_column(row, column)
    if not isinstance(value, str):
        kind = what_is(value)
        raise RowProblem("not-text", f"has {kind} where text is expected, in column `{column}`")
    return value
