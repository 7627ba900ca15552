"""The shipped chat templates: their text, their loss mask, and that they only ever grow."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

pytestmark = pytest.mark.runs
pytest.importorskip("transformers")

TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "1 + 1?"},
    {"role": "assistant", "content": "2"},
    {"role": "user", "content": "2 + 2?"},
    {"role": "assistant", "content": "It is\nfour."},
]

# Written out by hand from the formats' descriptions; <|bos|> and <|eos|> are the tokenizer's.
RENDERED = {
    "chatml": (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n1 + 1?<|im_end|>\n"
        "<|im_start|>assistant\n2<|im_end|>\n<|im_start|>user\n2 + 2?<|im_end|>\n"
        "<|im_start|>assistant\nIt is\nfour.<|im_end|>\n"
    ),
    "quickstart": (
        "<|system|>Be brief.<|end|><|user|>1 + 1?<|end|><|assistant|>2<|end|>"
        "<|user|>2 + 2?<|end|><|assistant|>It is\nfour.<|end|>"
    ),
    "llama3": (
        "<|bos|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\n1 + 1?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n2<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\n2 + 2?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nIt is\nfour.<|eot_id|>"
    ),
    "zephyr": (
        "<|system|>\nBe brief.<|eos|>\n<|user|>\n1 + 1?<|eos|>\n<|assistant|>\n2<|eos|>\n"
        "<|user|>\n2 + 2?<|eos|>\n<|assistant|>\nIt is\nfour.<|eos|>\n"
    ),
    "alpaca": (
        "Be brief.\n\n### Instruction:\n1 + 1?\n\n### Response:\n2<|eos|>\n\n"
        "### Instruction:\n2 + 2?\n\n### Response:\nIt is\nfour.<|eos|>\n\n"
    ),
}
END = {
    "chatml": "<|im_end|>",
    "quickstart": "<|end|>",
    "llama3": "<|eot_id|>",
    "zephyr": "<|eos|>",
    "alpaca": "<|eos|>",
}
SHIPPED = sorted(
    file.name.removesuffix(".jinja")
    for file in (files("recipe_runner.shipped") / "chat_templates").iterdir()
)


def tokenizer_with(name: str) -> PreTrainedTokenizerBase:
    """A byte-level tokenizer that knows the template's end-of-turn token."""
    from transformers import AutoTokenizer

    shipped = files("recipe_runner.shipped")
    tokenizer = AutoTokenizer.from_pretrained(str(shipped / "tokenizers" / "quickstart"))
    tokenizer.add_special_tokens({"bos_token": "<|bos|>", "eos_token": "<|eos|>"})
    tokenizer.add_tokens([END[name]], special_tokens=True)
    source = shipped / "chat_templates" / f"{name}.jinja"
    tokenizer.chat_template = source.read_text(encoding="utf-8")
    return tokenizer


def render(
    tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, str]], *, prompt: bool = False
) -> str:
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=prompt))


def test_every_shipped_template_is_tested() -> None:
    assert sorted(RENDERED) == sorted(END) == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_the_text_is_the_format(name: str) -> None:
    assert render(tokenizer_with(name), TURNS) == RENDERED[name]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_conversation_only_ever_grows(name: str) -> None:
    tokenizer = tokenizer_with(name)
    whole = render(tokenizer, TURNS)
    for cut in range(1, len(TURNS)):
        assert whole.startswith(render(tokenizer, TURNS[:cut]))
        if TURNS[cut]["role"] == "assistant":
            longer = render(tokenizer, TURNS[: cut + 1])
            assert longer.startswith(render(tokenizer, TURNS[:cut], prompt=True))


@pytest.mark.parametrize("name", SHIPPED)
def test_the_loss_covers_the_answers_and_their_ends(name: str) -> None:
    tokenizer = tokenizer_with(name)
    rendered = tokenizer.apply_chat_template(
        TURNS, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    pairs = zip(rendered["input_ids"], rendered["assistant_masks"], strict=True)
    trained = tokenizer.decode([token for token, inside in pairs if inside])
    assert trained == f"2{END[name]}It is\nfour.{END[name]}"


@pytest.mark.parametrize("name", SHIPPED)
def test_trl_finds_the_markers_and_the_trained_stop_token(name: str) -> None:
    pytest.importorskip("trl")
    from trl.chat_template_utils import (
        get_training_chat_template,
        is_chat_template_stop_token_trained,
    )

    tokenizer = tokenizer_with(name)
    assert get_training_chat_template(tokenizer) is None  # nothing to patch
    assert is_chat_template_stop_token_trained(tokenizer)


@pytest.mark.parametrize("name", ["quickstart", "zephyr", "alpaca"])
def test_a_role_without_a_token_is_refused(name: str) -> None:
    from jinja2.exceptions import TemplateError

    with pytest.raises(TemplateError, match="no role 'tool'"):
        render(tokenizer_with(name), [{"role": "tool", "content": "4"}])


@pytest.mark.parametrize("name", ["zephyr", "alpaca"])
def test_a_tokenizer_without_an_end_is_refused(name: str) -> None:
    from jinja2.exceptions import TemplateError

    tokenizer = tokenizer_with(name)
    tokenizer.eos_token = None
    with pytest.raises(TemplateError, match="eos token"):
        render(tokenizer, TURNS)


def test_llama3_needs_no_beginning_of_text() -> None:
    tokenizer = tokenizer_with("llama3")
    tokenizer.bos_token = None
    assert render(tokenizer, TURNS) == RENDERED["llama3"].removeprefix("<|bos|>")
