"""A tiny reward model on disk, and plans whose rewards are what a test is about."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.plan import ModelPlan, OtherModelPlan, Plan, RewardPlan
from tests.tiny import tiny_tokenizer
from tests.workshop import recipe, workshop

Planned = Callable[..., Plan]


@pytest.fixture(scope="session")
def base_plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """The plan of a recipe for an algorithm that judges answers."""
    shop = workshop(tmp_path_factory.mktemp("rewards"))
    row = json.dumps({"prompt": "2 + 2 =", "answer": "4"})
    (shop.folder / "data" / "questions.jsonl").write_text(f"{row}\n" * 64, encoding="utf-8")
    value = recipe({"data.train": "data/questions.jsonl"}, algorithm="grpo", rewards="length")
    return shop.plan(value)


@pytest.fixture(scope="session")
def planned(base_plan: Plan) -> Planned:
    """Makes a plan with the given rewards, and models by the number of the reward."""

    def make(*rewards: RewardPlan, judges: Mapping[int, Path] | None = None) -> Plan:
        models = tuple(
            OtherModelPlan(f"rewards.{number}", judge_plan(folder))
            for number, folder in (judges or {}).items()
        )
        return replace(base_plan, rewards=rewards, models=models)

    return make


def judge_plan(folder: Path) -> ModelPlan:
    """How the compiler plans a model that judges."""
    return ModelPlan(
        str(folder),
        "transformers:AutoModelForSequenceClassification",
        {"revision": None, "dtype": "float32", "num_labels": 1},
        local=True,
    )


def of_code(file: Path, function: str = "judge", **kwargs: Any) -> RewardPlan:
    """The plan of a reward in a file of one's own, as it is."""
    return RewardPlan(
        type="python",
        name=function,
        options={"path": file.name, "function": function, "kwargs": kwargs},
        file=str(file),
        function=function,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
    )


@pytest.fixture(scope="session")
def reward_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return classifier(tmp_path_factory.mktemp("judge"))


def classifier(folder: Path, *, num_labels: int = 1, chat_template: bool = True) -> Path:
    """Write a random classifier of two layers with its tokenizer, and return `folder`."""
    import torch
    from transformers import AutoModelForSequenceClassification, LlamaConfig

    tokenizer = tiny_tokenizer(folder)
    if not chat_template:
        tokenizer.chat_template = None
        (folder / "chat_template.jinja").unlink(missing_ok=True)
        tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=256,
        num_labels=num_labels,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    model.save_pretrained(folder)
    return folder
