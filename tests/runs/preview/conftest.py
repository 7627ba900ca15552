"""Recipes over a few conversations and a tiny model, compiled as the command line does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.compiler.machine import machine
from recipe_runner.pipeline import compile_file
from recipe_runner.plan import Plan

Compile = Callable[..., Plan]

USER = {"role": "user", "content": "what is 1 + 1?"}
ANSWER = {"role": "assistant", "content": "2"}
CHATS: Sequence[Mapping[str, Any]] = (
    {"messages": [{"role": "system", "content": "hello there"}, USER, ANSWER]},
    {
        "messages": [
            USER,
            ANSWER,
            {"role": "user", "content": "日本語 please 😀"},
            {"role": "assistant", "content": "はい 👍\n\tyes"},
        ]
    },
    {"messages": [USER, {"role": "assistant", "content": "yes no " * 80}]},
    {"messages": [{"role": "user", "content": "nobody answers"}]},
    {"chat": "not a conversation"},
    {"messages": [{"role": "user", "content": "the quick brown fox"}, ANSWER]},
)
"""Rows: three turns, several bytes to a character, a long one, two broken ones, a short one."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("RECIPE_RUNNER_CACHE", str(folder))
    return folder


@pytest.fixture
def compiled(tmp_path: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> Compile:
    """Write a recipe and its rows, and compile it; changes are JSON values of sections."""
    monkeypatch.chdir(tmp_path)

    def make(rows: Sequence[Mapping[str, Any]] = CHATS, **sections: Any) -> Plan:
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / "chat.jsonl").write_text(text, encoding="utf-8")
        source = {"path": "chat.jsonl", "format": "messages", "on_bad_row": "drop"}
        recipe = {
            "recipe": 1,
            "model": str(tiny_llama),
            "data": {"train": source, "max_length": 64, **sections.pop("data", {})},
            "algorithm": "sft",
            "training": {"max_steps": 1, "global_batch_size": 1},
            "output_dir": "runs/x",
            **sections,
        }
        (tmp_path / "recipe.yaml").write_text(json.dumps(recipe), encoding="utf-8")
        done = compile_file("recipe.yaml", machine("cpu"))
        assert done.plan is not None, [d.message for d in done.report]
        return done.plan

    return make
