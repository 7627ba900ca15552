"""Tokens are decoded into whole characters, and nothing is lost or added."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipe_runner.execute.preview.pieces import Reading
from tests.tiny import tiny_tokenizer

pytestmark = pytest.mark.runs


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tiny_tokenizer(tmp_path_factory.mktemp("byte-level"))


@pytest.fixture(scope="module")
def metaspace() -> Any:
    """As SentencePiece has it: the space belongs to the word, and unknown characters are bytes."""
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    words = ["<unk>", "<s>", "</s>", *(f"<0x{n:02X}>" for n in range(256)), "▁", "▁hi", "hi", "a"]
    backend = Tokenizer(
        models.BPE(
            vocab={word: n for n, word in enumerate(words)},
            merges=[],
            unk_token="<unk>",
            byte_fallback=True,
        )
    )
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.characters(codec="utf-8"), max_size=40))
def test_pieces_join_to_what_the_tokenizer_decodes(byte_level: Any, text: str) -> None:
    ids = byte_level("<|im_start|>" + text + "<|im_end|>\n", add_special_tokens=False)["input_ids"]
    found = Reading.of(byte_level).texts(ids)
    assert sum(count for count, _ in found) == len(ids)
    assert "".join(part for _, part in found) == byte_level.decode(ids)


def test_characters_of_several_tokens_are_one_piece(byte_level: Any) -> None:
    ids = byte_level("a😀b", add_special_tokens=False)["input_ids"]
    texts = Reading.of(byte_level).texts(ids)
    assert [text for _, text in texts] == ["a", "😀", "b"]
    assert texts[1][0] == len(ids) - 2 > 1


def test_a_space_behind_a_special_token_stays(metaspace: Any) -> None:
    ids = metaspace.convert_tokens_to_ids(["<s>", "▁hi", "▁", "a", "</s>"])
    texts = [text for _, text in Reading.of(metaspace).texts(ids)]
    assert texts == ["<s>", " hi", " ", "a", "</s>"]


def test_special_tokens_are_named(byte_level: Any) -> None:
    reading = Reading.of(byte_level)
    ids = byte_level("<|im_start|>a<|im_end|><|endoftext|>")["input_ids"]
    pieces = reading.pieces(ids, [0.0] * len(ids), [""] * len(ids), [False] * len(ids))
    assert [piece.special for piece in pieces] == ["special", None, "eos", "pad"]
