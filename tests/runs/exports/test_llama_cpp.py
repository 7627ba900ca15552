"""GGUF files in llama.cpp itself: its tokens and logits are those of transformers.

Runs where `llama-cpp-python` is installed; building it takes minutes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recipe_runner.execute.exports.gguf_file.splitting import NAMES
from recipe_runner.execute.exports.target import Job, targets
from recipe_runner.execute.record import RunDirectory
from recipe_runner.plan import Plan
from tests.runs.exports import models
from tests.runs.exports.cases import CASES
from tests.workshop import Workshop, recipe

pytestmark = pytest.mark.runs
pytest.importorskip("torch")
pytest.importorskip("llama_cpp")


@pytest.fixture(name="plan", scope="module")
def make_plan(shop: Workshop) -> Plan:
    return shop.plan(recipe(name="tiny"))


def ignored(*told: object) -> None:
    del told


def exported(plan: Plan, source: Path, folder: Path, kind: str) -> tuple[str, ...]:
    folder.mkdir()
    job = Job(
        plan=plan,
        run=RunDirectory(source.parent),
        source=source,
        folder=folder,
        name="tiny",
        type=kind,
        told=ignored,
        meter=ignored,
    )
    target = targets()["gguf"]
    target.write(job)
    return target.verify(job, trial=True)


@pytest.mark.parametrize(("family", "changes"), CASES)
def test_logits_are_those_of_transformers(
    family: str, changes: dict[str, Any], plan: Plan, tmp_path: Path
) -> None:
    source = tmp_path / "model"
    models.tokenizer(source, models.QWEN2)
    models.decoder(source, family, **changes)
    lines = exported(plan, source, tmp_path / "out", "f32")
    assert "equal to those of the model" in lines[0]
    assert "the same tokens of 5 texts" in lines[1]


WAYS: dict[str, dict[str, Any]] = {
    "gpt-2": {"pattern": None},
    "smollm": {"pattern": None, "digits": True},
    "qwen2": {"pattern": models.QWEN2, "normalizer": "NFC"},
    "qwen35": {"pattern": models.QWEN35},
    "llama-bpe": {"pattern": models.LLAMA3, "ignore_merges": True},
    "smaug-bpe": {"pattern": models.LLAMA3},
    "tekken": {"pattern": models.TEKKEN, "ignore_merges": True},
    "gpt-4o": {"pattern": models.GPT4O},
}


@pytest.mark.parametrize("way", NAMES)
def test_tokens_are_those_of_transformers(way: str, plan: Plan, tmp_path: Path) -> None:
    source = tmp_path / "model"
    models.tokenizer(source, **WAYS[way])
    models.decoder(source, "llama")
    lines = exported(plan, source, tmp_path / "out", "f16")
    assert "the same tokens of 5 texts" in lines[1]
    from gguf import GGUFReader

    (path,) = (tmp_path / "out").glob("*.gguf")
    field = GGUFReader(path).get_field("tokenizer.ggml.pre")
    assert field is not None
    assert field.contents() == way
