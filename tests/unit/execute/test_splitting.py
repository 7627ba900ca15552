"""A tokenizer's way of cutting texts has llama.cpp's name where it has one."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest

from recipe_runner.execute.exports.gguf_file.splitting import NAMES, way_of

BYTES: dict[str, Any] = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}
WORDS: dict[str, Any] = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
# As they stand in the tokenizer.json of these models.
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace("{1,3}", "")


def split(pattern: str, behavior: str = "Isolated") -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": False}


def sequence(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(parts)}


@pytest.mark.parametrize(
    ("pre_tokenizer", "model", "name"),
    [
        pytest.param(WORDS, {}, "gpt-2", id="gpt-2"),
        pytest.param(
            sequence({"type": "Digits", "individual_digits": True}, WORDS),
            {},
            "smollm",
            id="digits",
        ),
        pytest.param(sequence(split(r"\p{N}"), WORDS), {}, "smollm", id="digits-by-pattern"),
        pytest.param(sequence(split(QWEN2), BYTES), {}, "qwen2", id="qwen2"),
        pytest.param(
            sequence(split(LLAMA3), BYTES), {"ignore_merges": True}, "llama-bpe", id="llama-3"
        ),
        # The same words, but llama.cpp's llama-bpe would not merge those that are tokens.
        pytest.param(sequence(split(LLAMA3), BYTES), {}, "smaug-bpe", id="llama-3-merging"),
        pytest.param(
            sequence(split(QWEN2), BYTES), {"ignore_merges": True}, None, id="not-merging"
        ),
        pytest.param(sequence(split(QWEN2, "Removed"), BYTES), {}, None, id="removing"),
        pytest.param(sequence(split(r"\w+"), BYTES), {}, None, id="another-pattern"),
        pytest.param({**WORDS, "add_prefix_space": True}, {}, None, id="space-first"),
        pytest.param(split(QWEN2), {}, None, id="no-bytes"),
        pytest.param({"type": "Metaspace"}, {}, None, id="sentencepiece"),
        pytest.param(None, {}, None, id="none"),
        pytest.param(WORDS, {"type": "Unigram"}, None, id="unigram"),
    ],
)
def test_a_way_is_known_by_its_patterns(
    pre_tokenizer: dict[str, Any] | None, model: dict[str, Any], name: str | None
) -> None:
    spec = {"pre_tokenizer": pre_tokenizer, "model": {"type": "BPE", **model}}
    assert way_of(spec) == name
    assert name is None or name in NAMES


def test_the_quickstart_has_a_way() -> None:
    path = files("recipe_runner.shipped") / "tokenizers" / "quickstart" / "tokenizer.json"
    assert way_of(json.loads(path.read_text(encoding="utf-8"))) == "gpt-2"
