"""What an example of each shape looks like, written down apart from the code that makes it.

`misfit` is the referee of the fuzz tests: it knows the shapes from `Example`'s description and
nothing of any format.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

REQUIRED: Mapping[str, Collection[str]] = {
    "conversation": {"messages"},
    "prompt_completion": {"prompt", "completion"},
    "text": {"text"},
    "tokenized": {"input_ids"},
    "segments": {"segments"},
    "preference": {"chosen", "rejected"},
    "unpaired_preference": {"prompt", "completion", "label"},
    "stepwise": {"prompt", "completions", "labels"},
    "prompt": {"prompt"},
}
CHAT = {"tools", "chat_template_kwargs"}
OPTIONAL: Mapping[str, Collection[str]] = {
    "conversation": CHAT,
    "prompt_completion": CHAT,
    "tokenized": {"labels"},
    "preference": {"prompt", "margin", "reference", *CHAT},
    "unpaired_preference": CHAT,
    "prompt": {"columns", *CHAT},
}
MESSAGE = {
    "role", "content", "reasoning_content", "tool_calls", "name", "tool_call_id",
    "train", "weight", "train_spans",
}  # fmt: skip


def misfit(example: Any, shape: str, further: Collection[str] = ()) -> str | None:
    """What is not as the shape has it, or None; `further` are keys that messages may have."""
    if type(example) is not dict:
        return "no dict"
    keys = set(example)
    if not set(REQUIRED[shape]) <= keys <= set(REQUIRED[shape]) | set(OPTIONAL.get(shape, ())):
        return f"keys {sorted(keys)}"
    checks: dict[str, Callable[[Any], str | None]] = {
        "messages": lambda v: _messages(v, further),
        "text": _filled_text,
        "input_ids": _ids,
        "segments": _segments,
        "label": _truth,
        "completions": _steps,
        "margin": lambda v: None if type(v) is float else "no float",
        "tools": lambda v: None if v and all(isinstance(t, Mapping) for t in v) else "tools",
        "chat_template_kwargs": lambda v: None if v and type(v) is dict else "kwargs",
        **dict.fromkeys(
            ("prompt", "completion", "chosen", "rejected", "reference"), lambda v: _side(v, further)
        ),
        "columns": lambda v: None if v and isinstance(v, Mapping) else "columns",
    }
    for key, value in example.items():
        if key != "labels" and (wrong := checks[key](value)):
            return f"{key}: {wrong}"
    if "labels" in keys and (wrong := _labels(example, shape)):
        return f"labels: {wrong}"
    answered = ("completion", "chosen", "rejected", "reference")
    sides = [example[k] for k in ("prompt", *answered) if k in keys]
    if shape != "stepwise" and len({type(side) for side in sides}) > 1:
        return "sides of two kinds"
    answers = [example[k] for k in answered if k in keys]
    return "an empty answer" if not all(answers) else None


def _side(value: Any, further: Collection[str]) -> str | None:
    return None if isinstance(value, str) else _messages(value, further)


def _messages(value: Any, further: Collection[str]) -> str | None:
    if type(value) is not list or not value:
        return "no list of messages"
    return next((wrong for message in value if (wrong := _message(message, further))), None)


def _message(value: Any, further: Collection[str]) -> str | None:
    if type(value) is not dict or not {"role", "content"} <= set(value):
        return f"no message: {value!r}"
    if not set(value) <= MESSAGE | set(further):
        return f"message with {sorted(value)}"
    if not isinstance(value["role"], str):
        return "role"
    content = value["content"]
    if not isinstance(content, str) and _parts(content):
        return _parts(content)
    texts = [value[k] for k in ("reasoning_content", "name", "tool_call_id") if k in value]
    if not all(isinstance(text, str) for text in texts):
        return "no text"
    if "tool_calls" in value and not (value["tool_calls"] and all(map(_call, value["tool_calls"]))):
        return f"tool_calls {value['tool_calls']!r}"
    if "train" in value and type(value["train"]) is not bool:
        return "train"
    if "weight" in value and not (type(value["weight"]) is float and value["weight"] >= 0):
        return "weight"
    return _spans(value["train_spans"], content) if "train_spans" in value else None


def _parts(value: Any) -> str | None:
    if type(value) is not list or all(part.get("type") != "image" for part in value):
        return "parts without an image"
    for part in value:
        if part["type"] == "text":
            whole = set(part) == {"type", "text"} and isinstance(part["text"], str)
        else:
            whole = set(part) == {"type", "image"} and part["type"] == "image"
            whole = whole and isinstance(part["image"], str | bytes) and bool(part["image"])
        if not whole:
            return f"part {part!r}"
    return None


def _call(value: Any) -> bool:
    inner = value.get("function", value) if type(value) is dict else None
    return type(inner) is dict and isinstance(inner.get("name"), str)


def _spans(value: Any, content: Any) -> str | None:
    for span in value:
        if set(span) != {"begin", "end", "train"} or type(span["train"]) is not bool:
            return f"span {span!r}"
        if not 0 <= span["begin"] <= span["end"] <= len(content):
            return f"span {span!r} of {len(content)}"
    return None


def _filled_text(value: Any) -> str | None:
    return None if isinstance(value, str) and value else "no text"


def _ids(value: Any) -> str | None:
    whole = type(value) is list and value and all(type(i) is int and 0 <= i < 2**31 for i in value)
    return None if whole else "no ids"


def _segments(value: Any) -> str | None:
    whole = type(value) is list and all(
        set(s) == {"text", "train"} and isinstance(s["text"], str) and type(s["train"]) is bool
        for s in value
    )
    return None if whole and any(s["text"] for s in value) else "no segments"


def _truth(value: Any) -> str | None:
    return None if type(value) is bool else "no truth value"


def _steps(value: Any) -> str | None:
    whole = type(value) is list and value and all(isinstance(s, str) and s for s in value)
    return None if whole else "no steps"


def _labels(example: Mapping[str, Any], shape: str) -> str | None:
    labels = example["labels"]
    if shape == "stepwise":
        whole = len(labels) == len(example["completions"])
        return None if whole and all(type(label) is bool for label in labels) else "truth values"
    pairs = zip(labels, example["input_ids"], strict=True)
    return None if all(label in (-100, token) for label, token in pairs) else "not the tokens"
