"""Conversations in the layouts of `messages` and `sharegpt`: what each row becomes, exactly."""

from __future__ import annotations

import pytest

from tests.formats import (
    ANSWERED,
    ASKED,
    CALL,
    CALL_AS_TEXT,
    PNG,
    Rows,
    chat,
    example,
    shared,
    turn,
)

MESSAGES: dict[str, tuple[Rows, Rows, Rows]] = {
    "own keys and roles": (
        {
            "messages_column": "turns",
            "role_key": "who",
            "content_key": "says",
            "roles": {"ich": "user", "narrator": "narrator"},
        },
        {"turns": [{"who": "ich", "says": "a"}, {"who": "narrator", "says": "b"}]},
        chat(("user", "a"), ("narrator", "b")),
    ),
    "calls and results with their ids": (
        {},
        {
            "messages": [
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "content": "2", "tool_call_id": "1", "name": "f"},
            ],
            "tools": '[{"type": "function", "function": {"name": "f"}}]',
        },
        {
            "messages": [
                {"role": "assistant", "content": "", "tool_calls": [CALL]},
                {"role": "tool", "content": "2", "name": "f", "tool_call_id": "1"},
            ],
            "tools": [{"type": "function", "function": {"name": "f"}}],
        },
    ),
    "nulls that a table fills in are absent": (
        {},
        turn(
            tool_calls=[{"id": None, "function": {"name": "f", "arguments": {}, "strict": None}}],
            name=None,
            train=None,
        ),
        turn(tool_calls=[{"function": {"name": "f", "arguments": {}}}]),
    ),
    "arguments become a mapping": (
        {"tool_arguments": "mapping"},
        turn(tool_calls=[CALL_AS_TEXT]),
        turn(tool_calls=[{"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]),
    ),
    "arguments become a text": (
        {"tool_arguments": "text"},
        turn(tool_calls=[{"name": "f", "arguments": {"x": 1}}]),
        turn(tool_calls=[{"name": "f", "arguments": '{"x": 1}'}]),
    ),
    "thoughts by any of their names": ({}, turn(thinking="t"), turn(reasoning_content="t")),
    "thoughts by a name of one's own": (
        {"reasoning_keys": ["why"]},
        turn(why="t", thinking="u"),
        turn(reasoning_content="t"),
    ),
    "keys of the template": ({"template_keys": ["mood"]}, turn(mood="glad"), turn(mood="glad")),
    "other keys stay behind": ({}, turn(mood="glad"), turn()),
    "a system prompt beside the messages": (
        {},
        {**turn(), "system": "s"},
        {"messages": [{"role": "system", "content": "s"}, ASKED, ANSWERED]},
    ),
    "the same system prompt twice": (
        {},
        {**chat(("system", "s"), ("user", "a")), "system": "s"},
        chat(("system", "s"), ("user", "a")),
    ),
    "marks of turns": (
        {"weight_key": "weight"},
        {"messages": [{**ASKED, "train": 1}, {**ANSWERED, "train": False, "weight": 0}]},
        {"messages": [{**ASKED, "train": True}, {**ANSWERED, "train": False, "weight": 0.0}]},
    ),
    "marks by the name of ms-swift": ({"train_key": "loss"}, turn(loss=False), turn(train=False)),
    "marks that are not read": ({"train_key": None}, turn(train=3, weight="x"), turn()),
    "marked characters": (
        {"spans_key": "detail"},
        turn(content="bcd", detail=[{"begin": 0, "end": 2, "train": True}]),
        turn(content="bcd", train_spans=[{"begin": 0, "end": 2, "train": True}]),
    ),
    "marked characters of axolotl, both ends included": (
        {"spans_key": "detail"},
        turn(content="bcd", detail=[{"begin_offset": 0, "end_offset": 2, "train": True}]),
        turn(content="bcd", train_spans=[{"begin": 0, "end": 3, "train": True}]),
    ),
    "parts of text are one text": (
        {},
        chat(("user", [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])),
        chat(("user", "ab")),
    ),
    "images of every kind": (
        {},
        chat(
            (
                "user",
                [
                    {"type": "image", "image": "a.png"},
                    {"type": "image", "image": {"bytes": PNG, "path": None}},
                    {"type": "image", "url": "https://x/a.png", "text": None},
                    {"type": "image", "base64": "iVBORw=="},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
                    {"type": "text", "text": "?"},
                ],
            )
        ),
        chat(
            (
                "user",
                [
                    {"type": "image", "image": "a.png"},
                    {"type": "image", "image": PNG},
                    {"type": "image", "image": "https://x/a.png"},
                    {"type": "image", "image": PNG},
                    {"type": "image", "image": "data:image/png;base64,iVBORw=="},
                    {"type": "text", "text": "?"},
                ],
            )
        ),
    ),
    "images of a column fill their places in order": (
        {},
        {
            **chat(
                ("user", [{"type": "image"}, {"type": "text", "text": "and"}, {"type": "image"}])
            ),
            "images": ["a.png", {"path": "b.png", "bytes": None}],
        },
        chat(
            (
                "user",
                [
                    {"type": "image", "image": "a.png"},
                    {"type": "text", "text": "and"},
                    {"type": "image", "image": "b.png"},
                ],
            )
        ),
    ),
    "images of a column stand where the text says": (
        {"images_column": "image"},
        {**chat(("user", "<image>\nwhat?")), "image": "a.png"},
        chat(("user", [{"type": "image", "image": "a.png"}, {"type": "text", "text": "\nwhat?"}])),
    ),
    "images without a place come before the question": (
        {},
        {**chat(("system", "s"), ("user", "what?")), "images": [PNG]},
        chat(
            ("system", "s"),
            ("user", [{"type": "image", "image": PNG}, {"type": "text", "text": "what?"}]),
        ),
    ),
    "a marker without images is a text": ({}, chat(("user", "<image>")), chat(("user", "<image>"))),
    "variables that are all null": ({}, {**turn(), "chat_template_kwargs": {"x": None}}, turn()),
    "variables for the template": (
        {},
        {**turn(), "chat_template_kwargs": '{"enable_thinking": false}'},
        {**turn(), "chat_template_kwargs": {"enable_thinking": False}},
    ),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_messages(case: str) -> None:
    options, row, wanted = MESSAGES[case]
    assert example({"type": "messages", **options}, row) == wanted


SHAREGPT: dict[str, tuple[Rows, Rows, Rows]] = {
    "spellings": (
        {},
        shared(
            ("system", "s"), ("human", "a"), ("GPT", "b"), ("prompter", "c"), ("chatgpt", "d"),
            ("user", "e"), ("bot", "f"), ("question", "g"), ("model", "h"),
        ),
        chat(
            ("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"),
            ("user", "e"), ("assistant", "f"), ("user", "g"), ("assistant", "h"),
        ),
    ),
    "a spelling of one's own": (
        {"roles": {"Ada": "user"}},
        shared(("Ada", "a"), ("gpt", "b")),
        chat(("user", "a"), ("assistant", "b")),
    ),
    "calls and observations": (
        {},
        {
            **shared(
                ("human", "a"),
                ("function_call", '{"name": "f", "arguments": {"x": 1}}'),
                ("observation", "2"),
                ("gpt", "b"),
            ),
            "system": "s",
            "tools": '[{"name": "f"}]',
        },
        {
            "messages": [
                {"role": "system", "content": "s"},
                ASKED,
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [
                        {"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}
                    ],
                },
                {"role": "tool", "content": "2"},
                ANSWERED,
            ],
            "tools": [{"name": "f"}],
        },
    ),
    "several calls at once": (
        {},
        shared(("function_call", '[{"name": "f"}, {"name": "g"}]')),
        {
            "messages": [
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [
                        {"type": "function", "function": {"name": "f"}},
                        {"type": "function", "function": {"name": "g"}},
                    ],
                }
            ]
        },
    ),
    "the weights of OpenChat": (
        {"weight_key": "weight"},
        {"conversations": [{"from": "gpt", "value": "b", "weight": 0.5}]},
        {"messages": [{**ANSWERED, "weight": 0.5}]},
    ),
    "an image of LLaVA": (
        {"images_column": "image"},
        {**shared(("human", "what?\n<image>"), ("gpt", "b")), "image": "a.png"},
        chat(
            ("user", [{"type": "text", "text": "what?\n"}, {"type": "image", "image": "a.png"}]),
            ("assistant", "b"),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SHAREGPT)
def test_sharegpt(case: str) -> None:
    options, row, wanted = SHAREGPT[case]
    assert example({"type": "sharegpt", **options}, row) == wanted
