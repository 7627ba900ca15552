"""The ids and labels equal those of TRL's own preparation, where TRL has an answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.runs.tokenize import templates as t
from tests.runs.tokenize.trained import row
from tests.tiny import tiny_tokenizer

pytestmark = pytest.mark.runs

CHAT = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "what is 1 + 1"},
    {"role": "assistant", "content": "2"},
    {"role": "user", "content": "what is 2 + 2"},
    {"role": "assistant", "content": "4"},
]

CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "text": (t.CHATML, "all", {"text": "the quick brown fox"}),
    "text that ends": (t.CHATML, "all", {"text": "the quick brown fox<eos>"}),
    "strings": (t.CHATML, "completion", {"prompt": "what is 1", "completion": " answer 2"}),
    "strings that end": (t.CHATML, "completion", {"prompt": "what", "completion": " is<eos>"}),
    "strings that merge": (t.CHATML, "completion", {"prompt": "the qui", "completion": "ck fox"}),
    "strings, all": (t.CHATML, "all", {"prompt": "what is 1", "completion": " answer 2"}),
    "chat completion": (t.CHATML, "completion", {"prompt": CHAT[:2], "completion": CHAT[2:3]}),
    "chat completion of turns": (
        t.CHATML,
        "completion",
        {"prompt": CHAT[:2], "completion": CHAT[2:]},
    ),
    "chat completion, all": (t.CHATML, "all", {"prompt": CHAT[:2], "completion": CHAT[2:]}),
    "chat completion, qwen3": (
        t.shipped("qwen3"),
        "completion",
        {
            "prompt": CHAT[:4],
            "completion": CHAT[4:],
            "chat_template_kwargs": {"enable_thinking": False},
        },
    ),
    "chat completion, assistant": (
        t.CHATML_MARKED,
        "assistant",
        {"prompt": CHAT[:4], "completion": CHAT[4:]},
    ),
    "messages, all": (t.CHATML, "all", {"messages": CHAT}),
    "messages, marked": (t.CHATML_MARKED, "assistant", {"messages": CHAT}),
    "messages, llama3": (t.shipped("llama3_training"), "assistant", {"messages": CHAT}),
    "messages, tools": (
        t.shipped("qwen3_training"),
        "assistant",
        {"messages": CHAT, "tools": '[{"type": "function", "function": {"name": "add"}}]'},
    ),
}
LIMITS = {
    "whole": {},
    "start": {"max_length": 20, "truncation_mode": "keep_start"},
    "end": {"max_length": 20, "truncation_mode": "keep_end"},
}


def _trl(
    tokenizer: Any, example: Mapping[str, Any], loss_on: str, limit: Mapping[str, Any]
) -> tuple[list[int], list[int]] | None:
    """TRL's preparation without a model; None where it drops the row."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    trainer = SFTTrainer.__new__(SFTTrainer)
    trainer._tokenizer = tokenizer
    trainer.chat_template = None
    trainer.completion_only_loss = "prompt" in example and loss_on != "all"
    trainer._is_vision_dataset = False
    config = SFTConfig(
        output_dir="unused",
        assistant_only_loss=loss_on == "assistant",
        use_cpu=True,
        bf16=False,
        **{"max_length": None, **limit},
    )
    data = Dataset.from_list([dict(example)])
    rows = trainer._prepare_dataset(data, tokenizer, config, False, None, "train")
    return (rows[0]["input_ids"], rows[0]["labels"]) if len(rows) else None


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize(("template", "loss_on", "example"), CASES.values(), ids=CASES)
def test_ids_and_labels_are_trls(
    template: str, loss_on: str, example: dict[str, Any], limit: dict[str, Any]
) -> None:
    from recipe_runner.rows import RowProblem

    tokenizer = t.tokenizer_for(template)
    expected = _trl(tokenizer, example, loss_on, limit)
    if expected is None:
        with pytest.raises(RowProblem) as caught:
            row(tokenizer, example, loss_on, **limit)
        assert caught.value.reason == "no-trained-token"
    else:
        result = row(tokenizer, example, loss_on, **limit)
        assert (result.input_ids, result.labels) == expected


BOS = {
    "text": ("all", {"text": "the quick"}),
    "strings": ("completion", {"prompt": "what", "completion": " is"}),
    "messages": ("assistant", {"messages": CHAT}),
}


@pytest.mark.parametrize(("loss_on", "example"), BOS.values(), ids=BOS)
def test_one_beginning_of_sequence_token(
    tmp_path: Path, loss_on: str, example: dict[str, Any]
) -> None:
    tokenizer = tiny_tokenizer(
        tmp_path,
        chat_template="{{ bos_token }}" + t.CHATML_MARKED,
        bos_token="<s>",
        add_bos=True,
    )
    result = row(tokenizer, example, loss_on)
    assert (result.input_ids, result.labels) == _trl(tokenizer, example, loss_on, {})
    assert result.input_ids.count(tokenizer.bos_token_id) == 1
    assert result.input_ids[0] == tokenizer.bos_token_id
