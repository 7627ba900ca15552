"""Where a run gets its rows from: `execute.data`, or a stand-in of a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from recipe_runner.execute.console import Console
from recipe_runner.plan import Plan

if TYPE_CHECKING:
    from recipe_runner.execute.data.receipt import Receipt


class Data(Protocol):
    """Rows in the form of the plan's feed, and what became of the rows they were made from."""

    @property
    def train(self) -> Any: ...

    @property
    def eval(self) -> Any | None: ...

    @property
    def receipt(self) -> Receipt | None: ...


class Prepare(Protocol):
    """Turns the plan's sources into data, and tells the console how far it is."""

    def __call__(self, plan: Plan, tokenizer: Any, console: Console) -> Data: ...


class Conversations(Protocol):
    """The first rows to evaluate on, as conversations."""

    def __call__(self, plan: Plan, data: Any, count: int) -> Sequence[Sequence[dict[str, Any]]]: ...


class Inspect(Protocol):
    """Compares tokens before anything is prepared, and tells the console what is odd."""

    def __call__(self, plan: Plan, tokenizer: Any, console: Console) -> None: ...


@dataclass(frozen=True)
class Suppliers:
    """The ways in which a run asks for rows, and has them looked at before."""

    prepare: Prepare
    conversations: Conversations
    inspect: Inspect | None = None


def default_suppliers() -> Suppliers:
    """The rows of `execute.data`."""
    return Suppliers(_prepare, _conversations, _inspect)


def _inspect(plan: Plan, tokenizer: Any, console: Console) -> None:
    from recipe_runner.execute.preview.inspect import inspect

    for warning in inspect(plan, tokenizer):
        console.diagnostic(warning)


def _prepare(plan: Plan, tokenizer: Any, console: Console) -> Data:
    from recipe_runner.execute.data.prepare import prepare
    from recipe_runner.execute.data.shares import given
    from recipe_runner.execute.data.telling import Told, because, summary, warnings
    from recipe_runner.execute.feeds import balance, evaluation_rows, training_rows

    if plan.data.streaming:
        from recipe_runner.execute.data.streamed import stream

        return stream(plan, tokenizer, progress=Told(console), say=console.line)
    prepared = prepare(plan, tokenizer, progress=Told(console), told=because(console))
    for line in summary(prepared.receipt):
        console.line(line)
    for line in (*given(plan, prepared), *balance(plan, prepared)):
        console.line(line)
    for warning in warnings(plan, prepared.receipt):
        console.diagnostic(warning)
    if plan.model.sees:
        return prepared
    return replace(
        prepared,
        train=training_rows(plan, prepared),
        eval=evaluation_rows(plan, prepared),
    )


def _conversations(plan: Plan, data: Any, count: int) -> list[list[Any]]:
    """Examples as conversations; those without an answer in words are left out.

    Plain text has no turn to answer, and a call of a tool is no text to compare with.
    """
    from recipe_runner.execute.data.examples import evaluation_examples
    from recipe_runner.execute.data.streamed import Streamed

    found: list[list[Any]] = []
    streamed = isinstance(data, Streamed)
    for example in data.examples(count) if streamed else evaluation_examples(plan, data, count):
        if "messages" in example:
            found.append(list(example["messages"]))
        elif isinstance(example.get("prompt"), list | tuple):
            found.append([*example["prompt"], *example["completion"]])
    return [messages for messages in found if _answer(messages)]


def _answer(messages: Sequence[Any]) -> str:
    """The text of the last turn of the assistant, where it is not the first turn of all."""
    answers = [m["content"] for m in messages[1:] if m["role"] == "assistant"]
    return str(answers[-1]).strip() if answers else ""
