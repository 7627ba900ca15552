"""Rows for every format: good ones, broken ones, and rows of something else."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

Strategy = st.SearchStrategy[Any]

JUNK: Strategy = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.binary(max_size=4)
    | st.sampled_from(
        ["[", '{"name": 3}', "[]", "null", '"\\ud800"', "1e999", "[" * 3000, "<image>"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=5,
)
TEXT: Strategy = st.text(max_size=8)
WORDS: Strategy = st.text(min_size=1, max_size=8)
TRUTH: Strategy = st.sampled_from([True, False, 0, 1])
ROLES = ["system", "user", "assistant", "tool", "developer", "ipython", "narrator"]
SPELLINGS = ["system", "human", "gpt", "GPT", "bot", "observation", "function_call", "narrator"]
CALL: Strategy = st.builds(
    lambda name, arguments: {
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    },
    WORDS,
    st.dictionaries(WORDS, TEXT, max_size=2) | st.just('{"x": 1}'),
)
IMAGE: Strategy = (
    WORDS | st.binary(min_size=1, max_size=4) | st.builds(lambda p: {"path": p}, WORDS)
)
PART: Strategy = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, TEXT),
    st.just({"type": "image"}),
    st.builds(lambda image: {"type": "image", "image": image}, IMAGE),
    st.builds(lambda url: {"type": "image_url", "image_url": {"url": url}}, WORDS),
)
SPAN: Strategy = st.fixed_dictionaries(
    {"begin": st.integers(0, 4), "end": st.integers(0, 9), "train": TRUTH}
)


def _turn(roles: list[str], role_key: str, content_key: str) -> Strategy:
    content = TEXT | st.sampled_from(["<image>", '{"name": "f", "arguments": {}}'])
    return st.fixed_dictionaries(
        {role_key: st.sampled_from(roles), content_key: content | st.lists(PART, max_size=3)},
        optional={
            "tool_calls": st.lists(CALL, max_size=2) | st.just("[]"),
            "reasoning": TEXT,
            "name": TEXT,
            "tool_call_id": TEXT,
            "train": TRUTH,
            "weight": st.floats(0, 2) | st.integers(0, 1),
            "detail": st.lists(SPAN, max_size=2),
            "mood": JUNK,
        },
    )


def _plain(roles: list[str], role_key: str = "role", content_key: str = "content") -> Strategy:
    return st.fixed_dictionaries({role_key: st.sampled_from(roles), content_key: TEXT})


MESSAGES: Strategy = st.lists(_turn(ROLES, "role", "content"), min_size=1, max_size=4) | st.lists(
    _plain(ROLES[:4]), min_size=1, max_size=4
)
SHARED: Strategy = st.lists(_turn(SPELLINGS, "from", "value"), min_size=1, max_size=4) | st.lists(
    _plain(SPELLINGS[:5], "from", "value"), min_size=1, max_size=4
)
ASKED: Strategy = st.lists(_plain(["user", "system"]), min_size=1, max_size=3) | st.lists(
    _plain(["human"], "from", "value"), min_size=1, max_size=2
)
ANSWER: Strategy = _plain(["assistant"]) | st.lists(_plain(["assistant"]), min_size=1, max_size=2)
AROUND: Mapping[str, Strategy] = {
    "tools": st.sampled_from(["[]", '[{"name": "f"}]', "", None]) | st.lists(CALL, max_size=2),
    "images": st.lists(IMAGE, max_size=2) | st.none(),
    "chat_template_kwargs": st.sampled_from([{"x": 1}, "{}", None]),
}


def _row(columns: Mapping[str, Strategy], **optional: Strategy) -> Strategy:
    return st.fixed_dictionaries(dict(columns), optional=optional)


def _tokens() -> Strategy:
    def labelled(ids: list[int], cut: int) -> dict[str, Any]:
        return {"input_ids": ids, "labels": [-100] * min(cut, len(ids)) + ids[cut:]}

    ids = st.lists(st.integers(0, 9), min_size=1, max_size=6)
    masks = {"attention_mask": st.just([1, 1]), "completion_mask": st.lists(TRUTH, max_size=3)}
    return st.builds(labelled, ids, st.integers(0, 6)) | _row({"input_ids": ids}, **masks)


def _pairs() -> Strategy:
    texts = _row({"chosen": WORDS, "rejected": WORDS}, prompt=TEXT, margin=st.floats())
    messages = _row({"chosen": ANSWER, "rejected": ANSWER, "prompt": ASKED}, **AROUND)
    whole = st.builds(
        lambda prompt, one, other: {"chosen": [*prompt, one], "rejected": [*prompt, other]},
        st.lists(_plain(["user"]), min_size=1, max_size=2),
        _plain(["assistant"]),
        _plain(["assistant"]),
    )
    return texts | messages | whole


QUESTION = _row({"q": TEXT, "a": TEXT | st.integers()}, c=TEXT | st.none())
GOOD: Mapping[str, tuple[dict[str, Any], Strategy]] = {
    "messages": (
        {
            "type": "messages",
            "weight_key": "weight",
            "spans_key": "detail",
            "template_keys": ["mood"],
            "roles": {"narrator": "narrator"},
        },
        _row({"messages": MESSAGES}, system=TEXT, **AROUND),
    ),
    "messages as they come": (
        {"type": "messages", "tool_arguments": "mapping"},
        _row({"messages": MESSAGES}, **AROUND),
    ),
    "sharegpt": (
        {"type": "sharegpt", "weight_key": "weight", "tool_arguments": "text"},
        _row({"conversations": SHARED}, system=TEXT, **AROUND),
    ),
    "alpaca as text": (
        {"type": "alpaca", "render": "text"},
        _row(
            {"instruction": TEXT, "output": TEXT},
            input=TEXT,
            system=TEXT,
            history=st.lists(st.lists(TEXT, min_size=2, max_size=2), max_size=2),
        ),
    ),
    "alpaca as turns": (
        {"type": "alpaca", "render": "chat"},
        _row(
            {"instruction": TEXT, "output": TEXT},
            input=TEXT | st.none(),
            system=TEXT,
            history=st.lists(st.lists(TEXT, min_size=2, max_size=2), max_size=2),
        ),
    ),
    "prompt_completion": (
        {"type": "prompt_completion"},
        _row({"prompt": TEXT, "completion": TEXT})
        | _row({"prompt": ASKED, "completion": ANSWER}, **AROUND),
    ),
    "template with placeholders": (
        {"type": "template", "render": "chat", "prompt": "{q}{{}}", "completion": "{a}"},
        QUESTION,
    ),
    "template with Jinja": (
        {
            "type": "template",
            "syntax": "jinja",
            "text": "{% if c is defined and c %}{{ c }}{% endif %}{{ q | trim }}{{ a }}",
        },
        QUESTION,
    ),
    "template of a prompt": ({"type": "template", "prompt": "{q}"}, QUESTION),
    "text": ({"type": "text"}, _row({"text": TEXT})),
    "tokenized": ({"type": "tokenized"}, _tokens()),
    "segments": (
        {"type": "segments"},
        _row({"segments": st.lists(st.fixed_dictionaries({"text": TEXT, "train": TRUTH}))}),
    ),
    "preference": ({"type": "preference"}, _pairs()),
    "unpaired_preference": (
        {"type": "unpaired_preference"},
        _row({"prompt": TEXT, "completion": TEXT, "label": TRUTH | st.just("true")})
        | _row({"prompt": ASKED, "completion": ANSWER, "label": TRUTH}, **AROUND),
    ),
    "unpaired_preference in one conversation": (
        {"type": "unpaired_preference", "conversation_column": "messages"},
        _row({"messages": st.lists(_plain(["user", "assistant"]), max_size=4), "label": TRUTH}),
    ),
    "stepwise": (
        {"type": "stepwise"},
        st.builds(
            lambda prompt, steps: {
                "prompt": prompt,
                "completions": [text for text, _ in steps],
                "labels": [label for _, label in steps],
            },
            TEXT,
            st.lists(st.tuples(TEXT, TRUTH), max_size=3),
        ),
    ),
    "prompt": (
        {"type": "prompt"},
        _row({"prompt": TEXT}) | _row({"prompt": ASKED}, **AROUND),
    ),
}
"""Options and rows of each format, most of which fit it."""


@st.composite
def broken(draw: st.DrawFn, rows: Strategy) -> Any:
    """A row with one thing in it replaced, removed, repeated or added."""
    row = copy.deepcopy(draw(rows))
    places: list[tuple[Any, Any]] = []

    def visit(value: Any) -> None:
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            places.append((value, key))
            if isinstance(value[key], dict | list):
                visit(value[key])

    visit(row)
    if not places:
        return row
    holder, key = draw(st.sampled_from(places))
    deed = draw(st.sampled_from(["replace", "remove", "wrap", "repeat", "add"]))
    if deed == "replace":
        holder[key] = draw(JUNK)
    elif deed == "remove":
        del holder[key]
    elif deed == "wrap":
        holder[key] = [holder[key]]
    elif isinstance(holder, list):
        holder.insert(key, draw(JUNK) if deed == "add" else copy.deepcopy(holder[key]))
    else:
        holder[draw(st.sampled_from([*sorted(holder), "images", "system", "prompt"]))] = draw(JUNK)
    return row


def rows_of(layout: str) -> Strategy:
    """Rows for the layout: good ones, broken ones, and rows with nothing right but a name."""
    good = GOOD[layout][1]
    columns = ["messages", "conversations", "prompt", "completion", "text", "input_ids", "q", "a"]
    other = st.dictionaries(st.sampled_from(columns) | TEXT, JUNK, max_size=3)
    return st.one_of(good, good, broken(good), broken(good), other)
