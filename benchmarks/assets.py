"""What the benchmarks train: a tiny random decoder, a trained tokenizer and chat rows.

Made on this machine from fixed seeds, so nothing is downloaded and every run sees the
same bytes. `python -m benchmarks.assets FOLDER ROWS` makes them in a process of its own,
so that the measuring process never imports torch.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VOCABULARY = 4096
MAX_LENGTH = 512
_WORDS = 20_000
_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}"
    "{{ '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""ChatML, with the generation markers that TRL's `assistant_only_loss` needs."""


@dataclass(frozen=True)
class Assets:
    """A folder with `model/` (weights and tokenizer) and files of chat rows."""

    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "model"

    def chats(self, rows: int) -> Path:
        return self.folder / f"chat-{rows}.jsonl"


def make(folder: Path, *rows: int) -> Assets:
    """Make the model and one file for each number of rows, where they are missing."""
    assets = Assets(folder)
    counts = [str(count) for count in rows if not assets.chats(count).exists()]
    if counts or not (assets.model / "config.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", __name__, str(folder), *counts], check=True)
    return assets


def chats(rows: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Question and answer in pseudo-words of Zipf frequency; log-normal lengths, median 70 words.

    The longest row has 400 words, so the question alone never fills `MAX_LENGTH` tokens.
    """
    draw = random.Random(seed)
    words = _Words(draw)
    for _ in range(rows):
        length = min(400, max(8, round(draw.lognormvariate(math.log(70), 0.9))))
        asked = max(4, round(length * 0.3))
        yield {
            "messages": [
                {"role": "user", "content": words.text(asked)},
                {"role": "assistant", "content": words.text(length - asked + 1)},
            ]
        }


class _Words:
    def __init__(self, draw: random.Random) -> None:
        letters = "abcdefghijklmnopqrstuvwxyz"
        spelling = random.Random(0)
        self._words = [
            "".join(spelling.choices(letters, k=spelling.randint(2, 9))) for _ in range(_WORDS)
        ]
        self._weights = list(itertools.accumulate(1 / rank for rank in range(1, _WORDS + 1)))
        self._draw = draw

    def text(self, words: int) -> str:
        return " ".join(self._draw.choices(self._words, cum_weights=self._weights, k=words)) + "."


def _tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(_SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    corpus = (message["content"] for row in chats(1000, seed=1) for message in row["messages"])
    backend.train_from_iterator(corpus, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=["<|im_start|>"],
        model_max_length=1024,
    )
    tokenizer.chat_template = _TEMPLATE
    tokenizer.save_pretrained(folder)
    return tokenizer


def _model(folder: Path) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = _tokenizer(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=688,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


def _write(path: Path, rows: int) -> None:
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in chats(rows))
    part.rename(path)


def _main(folder: str, *rows: str) -> None:
    assets = Assets(Path(folder))
    for count in map(int, rows):
        _write(assets.chats(count), count)
    if not (assets.model / "config.json").exists():
        _model(assets.model)


if __name__ == "__main__":
    _main(*sys.argv[1:])
