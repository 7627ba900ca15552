"""Plans over small files, a real tokenizer, and a cache of its own for every test."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from recipe_runner.plan import (
    Call,
    DataPlan,
    FormatPlan,
    LaunchPlan,
    LossPlan,
    MachinePlan,
    ModelPlan,
    MonitorPlan,
    OutputPlan,
    Plan,
    SourcePlan,
    StepsPlan,
    TokenizerPlan,
)

MESSAGES = FormatPlan("messages", "conversation")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("RECIPE_RUNNER_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    shipped = files("recipe_runner") / "shipped" / "tokenizers" / "quickstart"
    loaded: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(str(shipped))
    return loaded


@pytest.fixture
def source() -> Callable[..., SourcePlan]:
    def make(*paths: Path, loader: str = "json", **values: Any) -> SourcePlan:
        defaults = {"format": MESSAGES, "loss": LossPlan.of("assistant")}
        names = tuple(str(path) for path in paths)
        return SourcePlan(path=names[0], loader=loader, files=names, **{**defaults, **values})

    return make


@pytest.fixture
def plan() -> Callable[..., Plan]:
    def make(*train: SourcePlan, tokenizer: TokenizerPlan | None = None, **data: Any) -> Plan:
        return Plan(
            name="t",
            recipe_path="recipe.yaml",
            recipe_sha256="0",
            algorithm="sft",
            seed=0,
            model=ModelPlan("m", "transformers:AutoModelForCausalLM", {}),
            tokenizer=tokenizer or TokenizerPlan("t", {}),
            data=DataPlan(train, **data),
            trainer=Call("trl:SFTTrainer"),
            arguments=Call("trl:SFTConfig"),
            steps=StepsPlan(8, 8, 1, 1, None, None),
            monitor=MonitorPlan(),
            launch=LaunchPlan("single", 1, 1, "no", ()),
            machine=MachinePlan("cpu", 0, 1.0, 2, False, "test"),
            outputs=OutputPlan("runs/t", ()),
        )

    return make


@pytest.fixture
def chat() -> Callable[..., dict[str, Any]]:
    """A conversation of one question and one answer."""

    def make(question: str, answer: str) -> dict[str, Any]:
        turns = [("user", question), ("assistant", answer)]
        return {"messages": [{"role": role, "content": text} for role, text in turns]}

    return make


@pytest.fixture
def jsonl(tmp_path: Path) -> Callable[..., Path]:
    """Write rows, or lines as they are, to a file."""

    def write(rows: Sequence[Mapping[str, Any] | str], name: str = "data.jsonl") -> Path:
        path = tmp_path / name
        lines = [row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows]
        path.write_text("".join(lines), encoding="utf-8")
        return path

    return write


@pytest.fixture
def chats(jsonl: Callable[..., Path], chat: Callable[..., dict[str, Any]]) -> Callable[..., Path]:
    """A file of `count` different conversations."""

    def write(count: int, name: str = "data.jsonl") -> Path:
        return jsonl([chat(f"question {n}", f"answer {n}") for n in range(count)], name)

    return write
