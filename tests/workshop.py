"""A folder with data to compile recipes in, for tests that need no training libraries."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_runner.compiler.machine import machine
from recipe_runner.pipeline import Compiled, compile_text
from recipe_runner.plan import Plan

CHAT = {
    "messages": [
        {"role": "user", "content": "Which planet is red?"},
        {"role": "assistant", "content": "Mars."},
    ]
}
FILES: Mapping[str, list[Mapping[str, Any]]] = {
    "chat.jsonl": [CHAT] * 100,
    "eval.jsonl": [CHAT] * 10,
    "pairs.jsonl": [{"prompt": "2 + 2 =", "completion": " 4"}] * 100,
    "text.jsonl": [{"text": "Rain in the morning."}] * 100,
    "preference.jsonl": [
        {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5", "reference": " 2 + 2 = 4"}
    ]
    * 100,
    "judged.jsonl": [
        {"prompt": "2 + 2 =", "completion": " 4", "label": True},
        {"prompt": "2 + 2 =", "completion": " 5", "label": False},
    ]
    * 50,
    "steps.jsonl": [
        {
            "prompt": "2 + 2 + 2 =",
            "completions": ["2 + 2 = 4", "4 + 2 = 7"],
            "labels": [True, False],
        }
    ]
    * 100,
    "prompts.jsonl": [{"prompt": "2 + 2 =", "answer": "4", "privileged_context": "a sum"}] * 100,
}
"""Data files below `data/`: 100 rows each to train on, 10 to evaluate on."""

ADAPTER: Mapping[str, Any] = {
    "peft_type": "LORA",
    "base_model_name_or_path": "org/model-id",
    "r": 8,
    "lora_alpha": 16,
    "target_modules": ["q_proj"],
}
"""The configuration of the trained adapters in `adapters/a` and `adapters/b`."""

BASE: Mapping[str, Any] = {
    "recipe": 1,
    "model": "org/model-id",
    "data": {"train": "data/chat.jsonl"},
    "algorithm": "sft",
    "output_dir": "runs/x",
}
"""The shortest recipe."""


@dataclass(frozen=True)
class Workshop:
    """A folder in which `recipe.yaml` stands beside `data/`."""

    folder: Path

    def compile(self, recipe: Mapping[str, Any], on: str = "cpu") -> Compiled:
        """Compile a recipe, given as its plain value, for the machine `on`."""
        return self.compile_text(json.dumps(recipe), on)

    def compile_text(self, text: str, on: str = "cpu", *, allow_code: bool = False) -> Compiled:
        """Compile a recipe's text."""
        return compile_text(
            text, "recipe.yaml", machine(on), cwd=self.folder, allow_code=allow_code
        )

    def plan(self, recipe: Mapping[str, Any], on: str = "cpu") -> Plan:
        """The plan of a recipe that has to compile; the code that it names is allowed."""
        compiled = self.compile_text(json.dumps(recipe), on, allow_code=True)
        assert compiled.plan is not None, [
            f"{d.code.id}: {d.message}" for d in compiled.report.diagnostics
        ]
        return compiled.plan

    def codes(self, recipe: Mapping[str, Any], on: str = "cpu") -> list[str]:
        """The codes that a recipe reports, sorted by place."""
        return [d.code.id for d in self.compile(recipe, on).report]


def workshop(folder: Path) -> Workshop:
    """Fill `folder` with data files and a chat template."""
    (folder / "data").mkdir()
    for name, rows in FILES.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "data" / name).write_text(text, encoding="utf-8")
    (folder / "data" / "pairs.csv").write_text("prompt,completion\n2 + 2 =,4\n", encoding="utf-8")
    (folder / "data" / "book.txt").write_text("Rain in the morning.\n", encoding="utf-8")
    for name in ("judge", "judge_too"):
        code = "def judge(completions, **_): ...\n\n\ndef judge_too(completions, **_): ...\n"
        (folder / f"{name}.py").write_text(code + f"# {name}\n", encoding="utf-8")
    for name in ("a", "b"):
        adapter = folder / "adapters" / name
        adapter.mkdir(parents=True)
        (adapter / "adapter_config.json").write_text(json.dumps(ADAPTER), encoding="utf-8")
        (adapter / "adapter_model.safetensors").touch()
    (folder / "chat.jinja").write_text("{{ messages }}", encoding="utf-8")
    (folder / "other.jinja").write_text("{{ messages }}!", encoding="utf-8")
    return Workshop(folder)


def recipe(changes: Mapping[str, Any] | None = None, **sections: Any) -> dict[str, Any]:
    """The shortest recipe with other sections, and with values at dotted paths."""
    value: dict[str, Any] = {**copy.deepcopy(dict(BASE)), **copy.deepcopy(sections)}
    for path, new in (changes or {}).items():
        *parents, key = path.split(".")
        at = value
        for parent in parents:
            inner = at.get(parent)
            if isinstance(inner, str):
                inner = {_SHORT.get(parent, "type"): inner}
            at[parent] = inner if inner is not None else {}
            at = at[parent]
        at[key] = new
    return value


_SHORT = {"model": "name_or_path", "tokenizer": "name_or_path", "train": "path", "eval": "path"}
