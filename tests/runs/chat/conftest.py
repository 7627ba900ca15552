"""A run that trained an adapter in a few steps, on a base that answers in more than ASCII."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.compiler.machine import machine
from recipe_runner.execute.console import Silent
from recipe_runner.execute.finished import FinishedRun, open_run
from recipe_runner.execute.launch import launch
from recipe_runner.pipeline import compile_text
from tests.tiny import tiny_model

QUESTIONS = [f"Say {number}" for number in range(7)]
BASE_ANSWER = "größe 日本 🎉 hello there — the quick brown fox"


@dataclass(frozen=True)
class Made:
    """The folder with the recipe, the base and the run."""

    folder: Path

    @property
    def run(self) -> Path:
        return self.folder / "runs" / "tiny"

    @property
    def base(self) -> Path:
        return self.folder / "base"

    @property
    def finished(self) -> FinishedRun:
        return open_run(self.run)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("chat")
    _teach(tiny_model(folder / "base"))
    rows = [
        {
            "messages": [
                {"role": "user", "content": QUESTIONS[number % 7]},
                {"role": "assistant", "content": "no thinking 日本"},
            ]
        }
        for number in range(32)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "chat.jsonl").write_text(text, encoding="utf-8")
    recipe = {
        "recipe": 1,
        "name": "tiny",
        "model": str(folder / "base"),
        "data": {"train": "chat.jsonl", "max_length": 64},
        "algorithm": "sft",
        "adapter": {"type": "lora", "r": 8},
        "training": {"global_batch_size": 16, "max_steps": 8, "learning_rate": 3e-2},
        "launch": {"use_cpu": True, "num_processes": 1},
        "output_dir": "runs/tiny",
    }
    text = json.dumps(recipe)
    compiled = compile_text(text, "recipe.yaml", machine("cpu"), cwd=folder)
    assert compiled.plan is not None, [d.message for d in compiled.report]
    launch(compiled.plan, text, text, Silent())
    return Made(folder)


def _teach(folder: Path) -> None:
    """Have the model in `folder` answer each question alike, by a plain training loop."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    texts = [
        tokenizer.apply_chat_template(
            [
                {"role": "user", "content": question},
                {"role": "assistant", "content": BASE_ANSWER},
            ],
            tokenize=False,
        )
        for question in QUESTIONS
    ]
    batch: Any = tokenizer(texts, return_tensors="pt", padding=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(60):
        loss = model(**batch, labels=batch["input_ids"]).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
