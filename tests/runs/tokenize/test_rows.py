"""Rows that cannot be used, rows that are too long, and prompts that do not match."""

from __future__ import annotations

from typing import Any

import pytest

from recipe_runner.execute.tokenize import (
    TokenizeSettings,
    tokenize_batch,
)
from recipe_runner.plan import LossPlan
from recipe_runner.rows import RowProblem
from tests.runs.tokenize import templates as t
from tests.runs.tokenize.trained import row, trained_runs

pytestmark = pytest.mark.runs

USER = {"role": "user", "content": "what is 1 + 1"}
ANSWER = {"role": "assistant", "content": "2"}

PROBLEMS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "no assistant": ("assistant", {"messages": [USER]}, "no-assistant-turn", "its roles: user"),
    "no message": ("assistant", {"messages": []}, "no-assistant-turn", "no message"),
    "no role": ("assistant", {"messages": [{"content": "x"}]}, "not-a-message", "message 1"),
    "text for a chat": ("assistant", {"text": "x"}, "no-completion", "no assistant"),
    "empty text": ("all", {"text": ""}, "empty-text", "empty text"),
    "empty completion": (
        "completion",
        {"prompt": "x", "completion": ""},
        "empty-completion",
        "empty completion",
    ),
    "empty chat completion": (
        "completion",
        {"prompt": [USER], "completion": []},
        "empty-completion",
        "no message",
    ),
    "mixed": ("completion", {"prompt": [USER], "completion": "x"}, "not-an-example", "one kind"),
    "nothing": ("all", {"other": "x"}, "not-an-example", "no `messages`"),
    "completion of a chat": (
        "completion",
        {"messages": [USER, ANSWER]},
        "no-completion",
        "without",
    ),
    "strings for a chat": (
        "assistant",
        {"prompt": "x", "completion": "y"},
        "no-assistant-turn",
        "not a conversation",
    ),
    "tools": (
        "assistant",
        {"messages": [USER, ANSWER], "tools": "[{"},
        "tools-not-json",
        "no JSON",
    ),
    "refused": (
        "assistant",
        {"messages": [ANSWER, USER]},
        "template-refused",
        "Begin with the user",
    ),
    "cut off": (
        "assistant",
        {"messages": [USER, ANSWER], "limit": 5, "mode": "keep_start"},
        "no-trained-token",
        "has 2 tokens to train on, and all of them are cut off",
    ),
}


@pytest.mark.parametrize(("loss_on", "example", "reason", "words"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_row_that_cannot_be_used_says_why(
    loss_on: str, example: dict[str, Any], reason: str, words: str
) -> None:
    tokenizer = t.tokenizer_for(t.NEEDS_A_USER_FIRST)
    settings = {
        "max_length": example.get("limit"),
        "truncation_mode": example.get("mode", "keep_answer"),
    }
    with pytest.raises(RowProblem, match=words) as caught:
        row(
            tokenizer,
            {k: v for k, v in example.items() if k not in ("limit", "mode")},
            loss_on,
            **settings,
        )
    assert caught.value.reason == reason


def test_a_template_that_fails_in_python_words() -> None:
    tokenizer = t.tokenizer_for(t.CHATML)
    with pytest.raises(RowProblem, match="can only concatenate str") as caught:
        row(tokenizer, {"messages": [USER, {"role": "assistant", "content": [{"text": "2"}]}]})
    assert caught.value.reason == "template-refused"


def test_a_tokenizer_without_a_template() -> None:
    tokenizer = t.tokenizer_for("")
    tokenizer.chat_template = None
    with pytest.raises(RowProblem) as caught:
        row(tokenizer, {"messages": [USER, ANSWER]})
    assert caught.value.reason == "no-chat-template"
    given = row(tokenizer, {"messages": [USER, ANSWER]}, chat_template=t.CHATML)
    assert trained_runs(tokenizer, given) == ["2<|im_end|>"]


def test_problems_stay_in_their_places() -> None:
    tokenizer = t.tokenizer_for(t.CHATML)
    rows: list[Any] = [
        {"messages": [USER]},
        {"messages": [USER, ANSWER]},
        {"text": "x"},
        {"prompt": [USER], "completion": [ANSWER]},
    ]
    results = tokenize_batch(rows, tokenizer, TokenizeSettings(LossPlan.of("assistant")))
    assert [isinstance(result, tuple) for result in results] == [False, True, False, True]
    assert results[1] == results[3]


@pytest.mark.parametrize(
    ("overlong", "reason"), [("drop", "over-length"), ("error", "over-length-refused")]
)
def test_an_overlong_row_that_is_not_cut(overlong: str, reason: str) -> None:
    tokenizer = t.tokenizer_for(t.CHATML)
    whole = row(tokenizer, {"messages": [USER, ANSWER]})
    size = len(whole.input_ids)
    assert row(tokenizer, {"messages": [USER, ANSWER]}, max_length=size) == whole
    with pytest.raises(
        RowProblem, match=f"has {size} tokens, above `max_length` {size - 1}"
    ) as caught:
        row(tokenizer, {"messages": [USER, ANSWER]}, max_length=size - 1, overlong=overlong)
    assert caught.value.reason == reason


def test_a_cut_row_keeps_the_end_that_was_asked_for() -> None:
    tokenizer = t.tokenizer_for(t.CHATML)
    example = {"messages": [USER, ANSWER, USER, ANSWER]}
    whole = row(tokenizer, example)
    size = len(whole.input_ids)
    start = row(tokenizer, example, max_length=size - 3, truncation_mode="keep_start")
    assert (start.input_ids, start.truncated) == (whole.input_ids[:-3], 3)
    end = row(tokenizer, example, max_length=size - 3, truncation_mode="keep_end")
    assert (end.input_ids, end.labels) == (whole.input_ids[3:], whole.labels[3:])


def test_none_in_a_message_is_absent() -> None:
    tokenizer = t.tokenizer_for(t.shipped("qwen2_5"))
    filled = [{**m, "tool_calls": None, "name": None} for m in (USER, ANSWER)]
    assert row(tokenizer, {"messages": filled}) == row(tokenizer, {"messages": [USER, ANSWER]})


def test_a_rows_own_template_arguments_win() -> None:
    tokenizer = t.tokenizer_for(t.shipped("qwen3"))
    off = {"chat_template_kwargs": {"enable_thinking": False}}
    example = {"messages": [USER, ANSWER]}
    by_settings = row(tokenizer, example, **off)
    assert trained_runs(tokenizer, by_settings) == ["2<|im_end|>"]
    assert row(tokenizer, {**example, **off}) == by_settings
    on = row(tokenizer, {**example, "chat_template_kwargs": {"enable_thinking": True}}, **off)
    assert trained_runs(tokenizer, on) == ["<think>\n\n</think>\n\n2<|im_end|>"]
