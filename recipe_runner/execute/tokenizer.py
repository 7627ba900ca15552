"""Loads the tokenizer and brings it into the state the plan describes."""

from __future__ import annotations

from typing import Any

from recipe_runner.execute.build import class_of
from recipe_runner.plan import TokenizerPlan


def load_tokenizer(plan: TokenizerPlan) -> Any:
    """The tokenizer with its special and added tokens, chat template and padding side."""
    tokenizer = class_of("transformers:AutoTokenizer").from_pretrained(
        plan.name_or_path, **plan.load
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
