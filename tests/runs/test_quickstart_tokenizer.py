"""The quickstart's tokenizer and model config, as shipped."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

pytestmark = pytest.mark.runs
pytest.importorskip("transformers")

SHIPPED = Path(str(files("recipe_runner.shipped")))


def test_the_committed_files_are_what_the_program_makes(tmp_path: Path) -> None:
    from recipe_runner.devtools.quickstart_tokenizer import main

    main([str(tmp_path)])
    committed = SHIPPED / "tokenizers" / "quickstart"
    assert {file.name for file in tmp_path.iterdir()} == {f.name for f in committed.iterdir()}
    for file in tmp_path.iterdir():
        assert file.read_bytes() == (committed / file.name).read_bytes(), file.name


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ('Reverse the word "rest".', ["Reverse", "Ġthe", "Ġword", 'Ġ"', *"rest", '"', "."]),
        ('Sort the letters of "the".', ["Sort", "Ġthe", "Ġletters", "Ġof", 'Ġ"', *"the", '"', "."]),
        ('Write "it" in capitals.', ["Write", 'Ġ"', *"it", '"', "Ġin", "Ġcapitals", "."]),
    ],
)
def test_question_words_are_one_token_and_quoted_words_are_letters(
    text: str, tokens: list[str]
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(SHIPPED / "tokenizers" / "quickstart")
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == tokens


@pytest.mark.parametrize("text", ["Grüße", "日本語", "🙂 tabs\tand\nlines", "  two  spaces"])
def test_any_text_survives(text: str) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(SHIPPED / "tokenizers" / "quickstart")
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_model_and_tokenizer_agree() -> None:
    from transformers import AutoConfig, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(SHIPPED / "tokenizers" / "quickstart")
    config = AutoConfig.from_pretrained(SHIPPED / "models" / "quickstart")
    assert config.vocab_size == len(tokenizer)
    assert config.max_position_embeddings == tokenizer.model_max_length
    assert (config.pad_token_id, config.eos_token_id, config.bos_token_id) == (
        tokenizer.pad_token_id,
        tokenizer.eos_token_id,
        None,
    )
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    assert tokenizer.bos_token is None
    template = SHIPPED / "chat_templates" / "quickstart.jinja"
    assert tokenizer.chat_template == template.read_text(encoding="utf-8")
