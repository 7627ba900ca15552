"""Makes the quickstart's tokenizer: bytes, plus one token per word of the questions.

A word skill needs letters, a short prompt needs whole words. So the merges are written
rather than counted: each word of the questions is built up from its left end, where it
starts with a capital or a space. Words in quotes start with neither, so no merge
touches them and the model sees their letters. Any text can be encoded, as bytes.

`python -m recipe_runner.devtools.quickstart_tokenizer [DIR]` writes the folder that
the package ships; the same versions of transformers and tokenizers give the same bytes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from recipe_runner.shipped.quickstart_data import QUESTIONS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, END, SYSTEM, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"
SPECIAL_TOKENS = (PAD, END, SYSTEM, USER, ASSISTANT)
"""The first ids. `END` ends a turn and a text; padding has a token of its own."""

CONTEXT = 128
"""Tokens that the quickstart's model has positions for; its questions need about 25."""


def build() -> PreTrainedTokenizerFast:
    """Build the tokenizer, with the shipped chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = [word for question in QUESTIONS for word, _ in split.pre_tokenize_str(question)]
    merges = _merges(words)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = (*SPECIAL_TOKENS, *alphabet, *(left + right for left, right in merges))
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[SYSTEM, USER, ASSISTANT],
        padding_side="right",
        clean_up_tokenization_spaces=False,
        model_max_length=CONTEXT,
    )
    shipped = files("recipe_runner.shipped") / "chat_templates" / "quickstart.jinja"
    fast.chat_template = shipped.read_text(encoding="utf-8")
    return fast


def _merges(words: Iterable[str]) -> list[tuple[str, str]]:
    """Merges that join each word from its left end; Ġ is how byte-level tokens write a space."""
    merges: dict[tuple[str, str], None] = {}
    for word in words:
        if word[0] == "Ġ" or word[0].isupper():
            merges.update(dict.fromkeys((word[:cut], word[cut]) for cut in range(1, len(word))))
    return list(merges)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the tokenizer's folder."""
    parser = argparse.ArgumentParser(prog="python -m recipe_runner.devtools.quickstart_tokenizer")
    shipped = Path(__file__).parents[1] / "shipped" / "tokenizers" / "quickstart"
    parser.add_argument("directory", type=Path, nargs="?", default=shipped)
    build().save_pretrained(parser.parse_args(arguments).directory)


if __name__ == "__main__":
    main()
