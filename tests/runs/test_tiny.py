"""The tiny models that other tests train really are models of their family."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny import tiny_model

pytestmark = pytest.mark.runs


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "gemma"])
def test_a_tiny_model_loads_and_answers(tmp_path: Path, family: str) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    directory = tiny_model(tmp_path, family=family)
    model = AutoModelForCausalLM.from_pretrained(directory)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    batch = tokenizer.apply_chat_template(
        [{"role": "user", "content": "hello"}], add_generation_prompt=True, return_tensors="pt"
    )
    assert model.config.model_type == family
    assert tokenizer.decode(batch["input_ids"][0]).endswith("<|im_start|>assistant\n")
    assert model(**batch).logits.shape[-1] == len(tokenizer)


def test_the_shared_folders_are_complete(chatml_tokenizer: Path, tiny_llama: Path) -> None:
    assert (chatml_tokenizer / "tokenizer.json").is_file()
    assert (tiny_llama / "model.safetensors").is_file()
    assert (tiny_llama / "chat_template.jinja").is_file()
