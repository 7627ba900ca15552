"""Formats turn rows into examples, and say what is wrong with rows that do not fit."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from typing import Any

import pytest

from recipe_runner.components import formats
from recipe_runner.components.base import create, discover
from recipe_runner.components.format import Format, untrainable
from recipe_runner.rows import RowProblem

PACKAGE = "recipe_runner.components.formats"
MODULES = [info.name for info in pkgutil.iter_modules(formats.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_the_rows_in_the_docstring(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"{PACKAGE}.{name}"))
    assert result.attempted > 0
    assert result.failed == 0


def chat(*turns: tuple[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def shared(*turns: tuple[str, Any]) -> dict[str, Any]:
    return {"conversations": [{"from": role, "value": content} for role, content in turns]}


@pytest.mark.parametrize(
    ("options", "row", "reason"),
    [
        ({"type": "messages"}, {"text": "a"}, "missing-column"),
        ({"type": "messages"}, {"messages": None}, "null-column"),
        ({"type": "messages"}, {"messages": "hi"}, "not-a-list"),
        ({"type": "messages"}, {"messages": []}, "empty-conversation"),
        ({"type": "messages"}, {"messages": ["hi"]}, "message-without-role"),
        ({"type": "messages"}, {"messages": [{"role": "user"}]}, "message-without-content"),
        ({"type": "messages"}, chat(("user", 3)), "not-text"),
        ({"type": "messages"}, {**chat(("user", "a")), "tools": 5}, "not-a-list"),
        ({"type": "messages"}, {**chat(("user", "a")), "tools": '{"a": 1}'}, "not-a-list"),
        ({"type": "messages"}, {**chat(("user", "a")), "tools": "search"}, "tools-not-json"),
        (
            {"type": "sharegpt"},
            {"conversations": [{"from": ["human"], "value": "a"}]},
            "message-without-role",
        ),
        (
            {"type": "alpaca", "render": "text"},
            {"instruction": "a", "input": 5, "output": "b"},
            "not-text",
        ),
        ({"type": "sharegpt"}, {"conversations": []}, "empty-conversation"),
        ({"type": "sharegpt"}, {"conversations": [{"value": "a"}]}, "message-without-role"),
        ({"type": "sharegpt"}, shared(("narrator", "a")), "unknown-role"),
        ({"type": "sharegpt"}, shared(("human", None)), "message-without-content"),
        ({"type": "prompt_completion"}, {"prompt": "a"}, "missing-column"),
        ({"type": "prompt_completion"}, {"prompt": "a", "completion": []}, "mixed-prompt"),
        ({"type": "prompt_completion"}, {"prompt": "a", "completion": ""}, "empty-completion"),
        ({"type": "text"}, {"text": ""}, "empty-text"),
        ({"type": "text"}, {"text": 3}, "not-text"),
        ({"type": "alpaca", "render": "chat"}, {"instruction": "a"}, "missing-column"),
        (
            {"type": "alpaca", "render": "chat"},
            {"instruction": "a", "output": ""},
            "empty-completion",
        ),
    ],
)
def test_rows_that_do_not_fit(options: dict[str, Any], row: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowProblem) as caught:
        create(PACKAGE, options).to_example(row)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        (chat(("user", "a"), ("assistant", "b")), "messages"),
        (shared(("human", "a"), ("gpt", "b")), "sharegpt"),
        ({"prompt": "a", "completion": "b"}, "prompt_completion"),
        ({"instruction": "a", "output": "b"}, "alpaca"),
        ({"text": "a"}, "text"),
        ({"messages": [{"role": "user", "content": "a"}], "text": "a"}, "messages"),
        ({"prompt": "a", "completion": "b", "text": "ab"}, "prompt_completion"),
        ({"body": "a"}, None),
    ],
)
def test_columns_tell_the_format(row: dict[str, Any], wanted: str | None) -> None:
    kinds = [kind for kind in discover(PACKAGE).values() if issubclass(kind, Format)]
    fitting = [k for k in sorted(kinds, key=lambda k: k.rank) if k.recognises(row) is not None]
    assert (fitting[0].type_name() if fitting else None) == wanted


def test_ranks_are_not_shared() -> None:
    ranks = [kind.rank for kind in discover(PACKAGE).values() if issubclass(kind, Format)]
    assert len(ranks) == len(set(ranks))


def test_alpaca_as_text_is_the_published_prompt() -> None:
    # https://github.com/tatsu-lab/stanford_alpaca, "Data Release".
    row = {"instruction": "Add.", "input": "2, 2", "output": "4"}
    example = create(PACKAGE, {"type": "alpaca", "render": "text"}).to_example(row)
    assert example["prompt"].endswith(
        "### Instruction:\nAdd.\n\n### Input:\n2, 2\n\n### Response:\n"
    )
    assert example["completion"] == "4"


@pytest.mark.parametrize(
    ("turns", "trains"),
    [
        ((("user", "a"),), False),
        ((("user", "a"), ("assistant", "")), False),
        ((("user", "a"), ("assistant", "b")), True),
    ],
)
def test_a_conversation_needs_an_answer(turns: tuple[tuple[str, str], ...], trains: bool) -> None:
    example = create(PACKAGE, {"type": "messages"}).to_example(chat(*turns))
    assert (untrainable(example, "turns") is None) is trains


@pytest.mark.parametrize("tools", [[{"name": "search"}], '[{"name": "search"}]'])
def test_tools_may_be_json_text(tools: object) -> None:
    row = {**chat(("user", "a")), "tools": tools}
    assert create(PACKAGE, {"type": "messages"}).to_example(row)["tools"] == [{"name": "search"}]
