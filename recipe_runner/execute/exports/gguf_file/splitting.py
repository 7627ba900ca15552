"""How a tokenizer cuts a text into words before it merges bytes, by llama.cpp's names for it.

llama.cpp does not read a tokenizer's own patterns: a file names one of the ways that are
built into it. Here a way is recognised by the patterns themselves and not by who made the
tokenizer, so that a tokenizer trained at home has its name too.

The patterns are those that model makers publish in `tokenizer.json`; llama.cpp's
`llama-vocab.cpp` says which name goes with which.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_SPACE = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_SIGNS = r" ?[^\s\p{L}\p{N}]+[\r\n]*"
_SIGNS_TOO = r" ?[^\s\p{L}\p{N}]+[\r\n/]*"
_HEAD = r"[^\r\n\p{L}\p{N}]?"

_LLAMA3 = "|".join((_SHORT, _WORD, r"\p{N}{1,3}", _SIGNS, _SPACE))
_QWEN2 = "|".join((_SHORT, _WORD, r"\p{N}", _SIGNS, _SPACE))
_QWEN35 = "|".join(
    (
        _SHORT,
        r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+",
        r"\p{N}",
        r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*",
        _SPACE,
    )
)
_TEKKEN = "|".join(
    (
        f"{_HEAD}{_UPPER}*{_LOWER}+",
        f"{_HEAD}{_UPPER}+{_LOWER}*",
        r"\p{N}",
        _SIGNS_TOO,
        _SPACE,
    )
)
_GPT4O = "|".join(
    (
        f"{_HEAD}{_UPPER}*{_LOWER}+{_SHORT}?",
        f"{_HEAD}{_UPPER}+{_LOWER}*{_SHORT}?",
        r"\p{N}{1,3}",
        _SIGNS_TOO,
        _SPACE,
    )
)

Steps = tuple[str, ...]
"""What is done to a text, in order: patterns that cut it, and `digits` or `words` of GPT-2."""

_WAYS: Mapping[tuple[Steps, bool], str] = {
    (("words",), False): "gpt-2",
    (("digits", "words"), False): "smollm",
    ((_QWEN2,), False): "qwen2",
    ((_QWEN35,), False): "qwen35",
    ((_LLAMA3,), True): "llama-bpe",
    ((_LLAMA3,), False): "smaug-bpe",
    ((_TEKKEN,), True): "tekken",
    ((_GPT4O,), False): "gpt-4o",
}
"""Each way by its steps, and by whether a word that is a token is taken without merging."""

NAMES = tuple(sorted(_WAYS.values()))
"""The ways that are recognised."""


def way_of(tokenizer: Mapping[str, Any]) -> str | None:
    """llama.cpp's name for how a `tokenizer.json` cuts texts, None where it has none."""
    model = tokenizer["model"]
    steps = _steps(tokenizer.get("pre_tokenizer"))
    if model.get("type") != "BPE" or steps is None:
        return None
    return _WAYS.get((steps, bool(model.get("ignore_merges"))))


def _steps(spec: Mapping[str, Any] | None) -> Steps | None:
    """The steps of a pre-tokenizer that ends in bytes, None where one is not known."""
    if spec is None:
        return None
    parts = spec["pretokenizers"] if spec["type"] == "Sequence" else [spec]
    steps: list[str] = []
    in_bytes = False
    for part in parts:
        match part:
            case {"type": "ByteLevel", "add_prefix_space": False, **options}:
                in_bytes = True
                steps += ["words"] if options.get("use_regex", True) else []
            case {"type": "Digits", "individual_digits": True}:
                steps.append("digits")
            case {"type": "Split", "pattern": {"Regex": str(pattern)}, "behavior": "Isolated"}:
                steps.append("digits" if pattern == r"\p{N}" else pattern)
            case _:
                return None
    return tuple(steps) if in_bytes else None
