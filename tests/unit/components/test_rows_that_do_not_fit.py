"""Formats say what is wrong with rows that do not fit: a stable reason, and words."""

from __future__ import annotations

import pytest

from recipe_runner.rows import RowProblem
from tests.formats import ANSWERED, ASKED, Rows, chat, example, said, shared, turn

ADD = {"instruction": "Add.", "output": "4"}
PAIR = {"prompt": "a", "chosen": "b", "rejected": "c"}
STEPS = {"prompt": "a", "completions": ["b"], "labels": [True]}


@pytest.mark.parametrize(
    ("options", "row", "reason", "words"),
    [
        ("messages", {"text": "a"}, "missing-column", "has no column `messages`; it has `text`"),
        ("messages", {"messages": None}, "null-column", "null in column `messages`"),
        ("messages", {"messages": "hi"}, "not-a-list", "has a text where a list of messages"),
        ("messages", {"messages": []}, "empty-conversation", "no message"),
        ("messages", {"messages": ["hi"]}, "message-without-role", "no text `role` in message 1"),
        ("messages", {"messages": [{"role": "user"}]}, "message-without-content", "no `content`"),
        ("messages", chat(("user", 3)), "not-text", "has a number where text"),
        ("messages", chat(("narrator", "a")), "unknown-role", "the role 'narrator' in message 1"),
        ("messages", chat(("human", "a")), "unknown-role", "which `roles` does not map"),
        ("messages", {**chat(("user", "a")), "tools": 5}, "not-a-list", "list of tools"),
        ("messages", {**chat(("user", "a")), "tools": '{"a": 1}'}, "not-a-list", "has a mapping"),
        ("messages", {**chat(("user", "a")), "tools": "find"}, "tools-not-json", "no JSON"),
        ("messages", {**chat(("user", "a")), "tools": ["find"]}, "not-a-tool", "tool 1"),
        ("messages", turn(tool_calls=[{"id": "1"}]), "tool-call-without-name", "tool call 1"),
        ("messages", turn(tool_calls=[{"function": 3}]), "tool-call-without-name", "message 2"),
        ("messages", turn(tool_calls="["), "tool-call-not-json", "`tool_calls` of message 2"),
        (
            "messages",
            turn(tool_calls=[{"name": "f", "arguments": 3}]),
            "tool-call-arguments",
            "has a number where a mapping",
        ),
        (
            {"type": "messages", "tool_arguments": "mapping"},
            turn(tool_calls=[{"name": "f", "arguments": "[1]"}]),
            "tool-call-arguments",
            "no mapping of names to values",
        ),
        ("messages", turn(reasoning=3), "not-text", "in `reasoning` of message 2"),
        ("messages", turn(name=3), "not-text", "in `name` of message 2"),
        ("messages", turn(train="yes"), "not-a-truth-value", "the text 'yes'"),
        ("messages", turn(train=2), "not-a-truth-value", "has 2 where true or false"),
        ({"type": "messages", "weight_key": "w"}, turn(w=-1), "not-a-weight", "has -1 where"),
        ({"type": "messages", "weight_key": "w"}, turn(w=True), "not-a-weight", "has True where"),
        (
            {"type": "messages", "spans_key": "d"},
            turn(d=[{"begin": 0, "end": 9, "train": True}]),
            "span-outside",
            "marks characters 0 to 9 of 1",
        ),
        (
            {"type": "messages", "spans_key": "d"},
            turn(d=[{"begin": 0, "train": True}]),
            "span-outside",
            "no `begin`, `end` and `train` in mark 1",
        ),
        (
            "messages",
            {**chat(("system", "s"), ("user", "a")), "system": "t"},
            "two-system-prompts",
            "and another one in `messages`",
        ),
        ("messages", {**turn(), "system": ["s"]}, "not-text", "in column `system`"),
        ("messages", chat(("user", ["hi"])), "unknown-part", "no type in part 1"),
        ("messages", chat(("user", [{"type": "audio"}])), "unknown-part", "the type 'audio'"),
        ("messages", chat(("user", [{"type": "text"}])), "empty-part", "no `text` in part 1"),
        ("messages", chat(("user", [{"type": "image"}])), "image-count", "0 images and 1 place"),
        (
            "messages",
            {**chat(("user", "<image>")), "images": ["a", "b"]},
            "image-count",
            "2 images and 1 place",
        ),
        ("messages", {**turn(), "images": [3]}, "not-an-image", "image 1 of `images`"),
        (
            "messages",
            {**turn(), "chat_template_kwargs": "x"},
            "kwargs-not-a-mapping",
            "no JSON",
        ),
        ("sharegpt", {"conversations": []}, "empty-conversation", "no message"),
        ("sharegpt", {"conversations": [{"value": "a"}]}, "message-without-role", "`from`"),
        (
            "sharegpt",
            {"conversations": [{"from": ["human"], "value": "a"}]},
            "message-without-role",
            "no text `from`",
        ),
        ("sharegpt", shared(("narrator", "a")), "unknown-role", "'narrator'"),
        ("sharegpt", shared(("human", None)), "message-without-content", "no `value`"),
        ("sharegpt", shared(("function_call", "f(1)")), "tool-call-not-json", "message 1"),
        (
            "sharegpt",
            shared(("function_call", '{"name": "\\ud800"}')),
            "tool-call-not-json",
            "surrogates",
        ),
        ("sharegpt", shared(("tool_call", "3")), "tool-call-without-name", "no text `name`"),
        ("prompt_completion", {"prompt": "a"}, "missing-column", "`completion`"),
        ("prompt_completion", {"prompt": "a", "completion": []}, "mixed-prompt", "different kinds"),
        ("prompt_completion", {"prompt": "a", "completion": ""}, "empty-completion", "empty"),
        (
            "prompt_completion",
            {"prompt": "a", "completion": "b", "images": ["a.png"]},
            "image-count",
            "texts in place of messages",
        ),
        ("text", {"text": ""}, "empty-text", "empty text"),
        ("text", {"text": 3}, "not-text", "has a number"),
        ({"type": "alpaca", "render": "chat"}, {"instruction": "a"}, "missing-column", "`output`"),
        (
            {"type": "alpaca", "render": "chat"},
            {"instruction": "a", "output": ""},
            "empty-completion",
            "`output`",
        ),
        ({"type": "alpaca", "render": "text"}, {**ADD, "input": 5}, "not-text", "`input`"),
        (
            {"type": "alpaca", "render": "chat"},
            {**ADD, "history": [["a"]]},
            "not-a-history",
            "no list of [instruction, answer]",
        ),
        ({"type": "alpaca", "render": "chat"}, {**ADD, "history": "a"}, "not-a-history", "history"),
        ({"type": "template", "text": "{a}"}, {"b": "x"}, "missing-column", "no column `a`"),
        ({"type": "template", "text": "{a}"}, {"a": None}, "null-column", "null"),
        ({"type": "template", "text": "{a}"}, {"a": ["x"]}, "not-text", "has a list where"),
        ({"type": "template", "text": "{a}"}, {"a": True}, "not-text", "has a truth value"),
        ({"type": "template", "text": "{a}"}, {"a": ""}, "empty-text", "once the template"),
        (
            {"type": "template", "prompt": "{a}", "completion": "{b}\n"},
            {"a": "x", "b": ""},
            "empty-completion",
            "once the template",
        ),
        (
            {"type": "template", "text": "{{ a }}", "syntax": "jinja"},
            {"b": "x"},
            "missing-column",
            "'a' is undefined",
        ),
        (
            {"type": "template", "text": "{{ a }}", "syntax": "jinja"},
            {"a": None},
            "null-column",
            "null where the template",
        ),
        ("tokenized", {"input_ids": []}, "empty-text", "no token"),
        ("tokenized", {"input_ids": [1, True]}, "not-numbers", "whole numbers"),
        ("tokenized", {"input_ids": [-1]}, "not-a-token", "has -1"),
        ("tokenized", {"input_ids": [1], "labels": [1, 1]}, "length-differs", "2 values"),
        (
            "tokenized",
            {"input_ids": [5, 7], "labels": [-100, 5]},
            "not-a-label",
            "the label 5 at token 2, whose id is 7",
        ),
        (
            "tokenized",
            {"input_ids": [5, 0], "attention_mask": [1, 0]},
            "padded",
            "`attention_mask` is 0 at token 2 of 2",
        ),
        ("tokenized", {"input_ids": [5], "completion_mask": [2]}, "not-a-mask", "0 and 1"),
        ("segments", {"segments": "a"}, "not-a-list", "list of segments"),
        ("segments", {"segments": []}, "empty-text", "no text"),
        ("segments", {"segments": [{"train": True}]}, "not-text", "segment 1"),
        ("segments", {"segments": [{"text": "a"}]}, "segment-without-mark", "no `train`"),
        (
            "segments",
            {"segments": [{"text": "a", "train": "x"}]},
            "not-a-truth-value",
            "segment 1 of `segments`",
        ),
        ("preference", {**PAIR, "rejected": [ANSWERED]}, "mixed-pair", "two answers"),
        ("preference", {**PAIR, "prompt": [ASKED]}, "mixed-pair", "messages as its prompt"),
        (
            "preference",
            {"prompt": "x", "chosen": [ANSWERED], "rejected": [ANSWERED]},
            "mixed-pair",
            "with which its answers do not begin",
        ),
        ("preference", {"chosen": "a", "rejected": "b"}, "no-prompt", "do not begin alike"),
        ("preference", {"chosen": [ANSWERED], "rejected": [ANSWERED]}, "no-prompt", "no prompt"),
        ("preference", {**PAIR, "chosen": ""}, "empty-completion", "`chosen`"),
        (
            "preference",
            {"prompt": [ASKED], "chosen": [ANSWERED], "rejected": said(("assistant", ""))},
            "empty-completion",
            "`rejected`",
        ),
        ("preference", {**PAIR, "margin": "big"}, "not-a-margin", "`margin`"),
        (
            "unpaired_preference",
            {"prompt": "a", "completion": "b", "label": "good"},
            "not-a-truth-value",
            "the text 'good'",
        ),
        (
            {"type": "unpaired_preference", "conversation_column": "messages"},
            {**chat(("user", "a")), "label": True},
            "no-completion",
            "answer of the assistant",
        ),
        ("stepwise", {**STEPS, "labels": []}, "length-differs", "0 labels for its 1 steps"),
        ("stepwise", {**STEPS, "completions": [3]}, "not-text", "step 1"),
        ("stepwise", {**STEPS, "completions": [], "labels": []}, "empty-completion", "no step"),
        ("stepwise", {**STEPS, "labels": ["x"]}, "not-a-truth-value", "label 1"),
        ("prompt", {"prompt": ""}, "empty-text", "empty text"),
        ("prompt", {"prompt": 3}, "not-a-list", "list of messages"),
    ],
)
def test_rows_that_do_not_fit(options: Rows | str, row: Rows, reason: str, words: str) -> None:
    with pytest.raises(RowProblem) as caught:
        example(options, row)
    assert caught.value.reason == reason
    assert words in caught.value.message
