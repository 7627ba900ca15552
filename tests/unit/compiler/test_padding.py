"""The token to pad with: never the end of sequence by accident, and never changed without need."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recipe_runner.compiler.machine import machine
from recipe_runner.pipeline import compile_text

RECIPE = """\
recipe: 1
model: ./model
data: {train: data/chat.jsonl}
algorithm: sft
output_dir: runs/x
"""
ROW = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}

CASES = {
    "none-and-a-spare-one": ({"eos_token": "</s>"}, ["</s>", "<pad>"], "<pad>"),
    "the-end-and-a-spare-one": (
        {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"},
        ["<|endoftext|>", "<|pad|>"],
        "<|pad|>",
    ),
    "one-of-its-own": ({"eos_token": "</s>", "pad_token": "<x>"}, ["</s>", "<x>", "<pad>"], None),
    "nothing-spare": ({"eos_token": "</s>"}, ["</s>"], None),
    "the-end-is-never-spare": ({"eos_token": "<|endoftext|>"}, ["<|endoftext|>"], None),
}


@pytest.mark.parametrize(("config", "added", "expected"), CASES.values(), ids=CASES)
def test_padding_takes_a_spare_token(
    tmp_path: Path, config: dict[str, str], added: list[str], expected: str | None
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "chat.jsonl").write_text(json.dumps(ROW) + "\n")
    (tmp_path / "model" / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "model" / "model.safetensors").write_bytes(b"")
    listed = {str(number): {"content": token} for number, token in enumerate(added)}
    tokenizer = {**config, "added_tokens_decoder": listed, "chat_template": "{{ messages }}"}
    (tmp_path / "model" / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    compiled = compile_text(RECIPE, "recipe.yaml", machine("cpu"), cwd=tmp_path)
    assert compiled.plan is not None, [d.message for d in compiled.report]
    assert compiled.plan.tokenizer.special_tokens.get("pad_token") == expected
    reasons = [d.because for d in compiled.plan.derived if d.path.endswith("pad_token")]
    assert bool(reasons) == (expected is not None)
