"""A tiny model, plans whose rows share a sequence, and a cache of its own for every test."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.plan import Plan
from recipe_runner.plan.joined import SEGMENTS
from tests.runs.train.by_hand import plan_for
from tests.tiny import tiny_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("RECIPE_RUNNER_CACHE", str(folder))
    return folder


def rows_of_many_lengths(path: Path, rows: int = 40, seed: int = 0) -> Path:
    """Conversations with answers of one to some forty words."""
    draw = random.Random(seed)
    words = ["the", "quick", "brown", "fox", "jumps", "over", "what", "is", "hello", "there", "yes"]
    with path.open("w", encoding="utf-8") as file:
        for _ in range(rows):
            answer = " ".join(draw.choices(words, k=min(40, int(draw.lognormvariate(2, 0.8)) + 1)))
            turns = [
                {"role": "user", "content": "what is " + draw.choice(words)},
                {"role": "assistant", "content": answer},
            ]
            file.write(json.dumps({"messages": turns}) + "\n")
    return path


def joined_plan(
    model: Path,
    folder: Path,
    *,
    data: Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
    attention: str = SEGMENTS,
    **changes: Any,
) -> Plan:
    """A plan on rows of many lengths in `folder`, with the attention of joined rows."""
    folder.mkdir(exist_ok=True)
    if not (folder / "chat.jsonl").exists():
        rows_of_many_lengths(folder / "chat.jsonl")
    plan = plan_for(model, folder, arguments=arguments, **changes)
    return dataclasses.replace(
        plan,
        model=dataclasses.replace(
            plan.model, load={**plan.model.load, "attn_implementation": attention}
        ),
        data=dataclasses.replace(plan.data, num_proc=1, **(data or {})),
    )
