"""The tokenizer is the one that transformers loads by itself, without the model's modules."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.execute.tokenizer import load_tokenizer
from recipe_runner.plan import TokenizerPlan
from tests.tiny import tiny_tokenizer

pytestmark = pytest.mark.runs

CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {"model_type": "llama"},
    "qwen3": {"model_type": "qwen3"},
    "gemma3": {"model_type": "gemma3_text"},
    "mistral": {"model_type": "mistral"},
    "no type": {},
}
CLASSES = ("TokenizersBackend", "PreTrainedTokenizerFast", "LlamaTokenizerFast", None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tokenizer")
    tiny_tokenizer(made)
    return made


@pytest.mark.parametrize("named", CLASSES)
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_it_is_the_class_and_the_tokens_of_transformers(
    config: dict[str, Any], named: str | None, folder: Path
) -> None:
    from transformers import AutoTokenizer

    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings.pop("tokenizer_class", None)
    settings |= {"tokenizer_class": named} if named else {}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    expected = AutoTokenizer.from_pretrained(folder)

    found = load_tokenizer(TokenizerPlan(str(folder), {}))

    assert type(found) is type(expected)
    assert found.backend_tokenizer.to_str() == expected.backend_tokenizer.to_str()
    assert found.special_tokens_map == expected.special_tokens_map


def test_the_models_modules_stay_out(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings["tokenizer_class"] = "TokenizersBackend"
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    program = (
        "import sys; from recipe_runner.plan import TokenizerPlan;"
        "from recipe_runner.execute.tokenizer import load_tokenizer;"
        f"load_tokenizer(TokenizerPlan({str(folder)!r}, {{}}));"
        "assert 'transformers.models.llama.configuration_llama' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
