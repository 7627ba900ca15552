"""Tiny real things for tests: tokenizers and random models, made in a moment, on disk."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""A chat template without generation markers."""

CHATML_MARKED = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}"
    "{{ '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""The same template, which marks what the assistant wrote."""

_CORPUS = (
    "user assistant system the quick brown fox jumps over what is please answer "
    "0 1 2 3 4 5 6 7 8 9 + - * = hello there yes no thinking\n\n"
)
# Line breaks stay together whatever follows them, as in the tokenizers of current models.
_WORDS = r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s*[\r\n]+|\s+(?!\S)|\s"


def tiny_tokenizer(
    directory: Path,
    *,
    chat_template: str | None = CHATML,
    special_tokens: Iterable[str] = (),
    eos_token: str = "<|im_end|>",
    bos_token: str | None = None,
    add_bos: bool = False,
) -> Any:
    """Make a byte-level BPE tokenizer of about 600 tokens, save it, and return it.

    It knows ChatML's special tokens and `special_tokens`. `add_bos` makes it write
    `bos_token` before a plain text, as Llama's does.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", eos_token, bos_token or eos_token]
    special = list(dict.fromkeys([*special, *special_tokens]))
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([_CORPUS] * 50, trainer)
    if add_bos and bos_token is not None:
        backend.post_processor = processors.TemplateProcessing(
            single=f"{bos_token} $A",
            pair=f"{bos_token} $A {bos_token} $B",
            special_tokens=[(bos_token, backend.token_to_id(bos_token))],
        )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token=eos_token,
        bos_token=bos_token,
        pad_token="<|endoftext|>",
        extra_special_tokens=special,
        model_max_length=512,
    )
    tokenizer.chat_template = chat_template
    tokenizer.save_pretrained(directory)
    return tokenizer


def tiny_model(directory: Path, *, family: str = "llama", seed: int = 0) -> Path:
    """Write a random decoder of two layers with `tiny_tokenizer`, and return `directory`.

    `family` is a `model_type` of transformers ("llama", "qwen2", "gemma", ...).
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = tiny_tokenizer(directory)
    config = AutoConfig.for_model(
        family,
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=160,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=512,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.save_pretrained(directory)
    return directory
