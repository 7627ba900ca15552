"""Loads the tokenizer and brings it into the state the plan describes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recipe_runner.execute.build import class_of
from recipe_runner.plan import TokenizerPlan


def load_tokenizer(plan: TokenizerPlan) -> Any:
    """The tokenizer with its special and added tokens, chat template and padding side."""
    tokenizer = class_of("transformers:AutoTokenizer").from_pretrained(
        plan.name_or_path, **_plain_config(plan.name_or_path), **plan.load
    )
    # Special tokens that are in the vocabulary take no row of their own; others are added to it.
    if plan.special_tokens:
        tokenizer.add_special_tokens(dict(plan.special_tokens))
    if plan.add_tokens:
        tokenizer.add_tokens(list(plan.add_tokens))
    if plan.chat_template is not None:
        tokenizer.chat_template = plan.chat_template
    tokenizer.padding_side = plan.padding_side
    unnamed = "pad_token" not in plan.special_tokens
    if tokenizer.pad_token is None or (unnamed and tokenizer.pad_token == tokenizer.eos_token):
        tokenizer.pad_token = _spare_token(tokenizer)
    return tokenizer


def _plain_config(name_or_path: str) -> dict[str, Any]:
    """The model's configuration without its class, for a folder whose tokenizer names its own.

    `AutoTokenizer` reads the model's type from it, and otherwise imports the model's modules
    for that: a second, which preparing and looking at rows can do without.
    """
    try:
        folder = Path(name_or_path)
        named = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if "tokenizer_class" not in named or "auto_map" in named or "model_type" not in values:
        return {}
    from transformers import PreTrainedConfig

    config = PreTrainedConfig(name_or_path=name_or_path)
    for name in ("model_type", "model_name", "tokenizer_class"):
        if name in values:
            setattr(config, name, values[name])
    return {"config": config}


def _spare_token(tokenizer: Any) -> str:
    """A token to pad with where the plan names none: never the end-of-sequence token if avoidable.

    With eos as padding a collator that masks padding also masks the token that ends an answer.
    Labels are made before padding here, so eos is safe as the last resort, when
    the tokenizer has nothing else and the embeddings would have to grow.
    """
    names = ("<|finetune_right_pad_id|>", "<|endoftext|>", "<pad>", "[PAD]", tokenizer.unk_token)
    vocabulary = tokenizer.get_vocab()
    for name in names:
        if name is not None and name in vocabulary and name != tokenizer.eos_token:
            return str(name)
    return str(tokenizer.eos_token)
