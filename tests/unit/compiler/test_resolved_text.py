"""The resolved recipe is a recipe: compiled again, it gives the same run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.compiler.resolved_text import resolved_text
from recipe_runner.plan import Plan
from tests.workshop import BASE, Workshop


def _science(plan: Plan) -> Plan:
    """The plan without its reasons, and without what names the recipe's own file."""
    train = tuple(replace(source, path="") for source in plan.data.train)
    evaluation = tuple(replace(source, path="") for source in plan.data.eval)
    data = replace(plan.data, train=train, eval=evaluation)
    # What the recipe names is not proposed any more.
    levers = tuple(replace(each, asks=False) for each in plan.speed.levers)
    speed = replace(plan.speed, levers=levers, proposals=())
    return replace(plan, data=data, derived=(), recipe_sha256="", speed=speed)


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="shortest"),
        pytest.param({"adapter": "lora", "quantization": "bnb_4bit"}, id="qlora"),
        pytest.param({"data": {"train": "data/text.jsonl", "packing": "bfd"}}, id="packed-text"),
        pytest.param(
            {"data": {"train": [{"path": "data/pairs.jsonl", "limit": 9}], "eval": {"split": 2}}},
            id="split",
        ),
        pytest.param(
            {"data": {"train": ["data/chat.jsonl", "data/text.jsonl"], "eval": "data/eval.jsonl"}},
            id="several",
        ),
        pytest.param({"tracking": ["wandb"], "training": {"max_steps": 7}}, id="tracked"),
    ],
)
@pytest.mark.parametrize("machine", ["cpu", "8xH100"])
def test_it_compiles_to_the_same_run(shop: Workshop, more: Mapping[str, Any], machine: str) -> None:
    compiled = shop.compile({**BASE, **more}, machine)
    assert compiled.plan is not None
    assert compiled.resolved is not None
    text = resolved_text(compiled.resolved, shop.folder)
    again = shop.compile_text(text, machine)
    assert [d.message for d in again.report if d.severity == "error"] == []
    assert again.plan is not None
    assert _science(again.plan) == _science(compiled.plan)


def test_nothing_is_left_open(shop: Workshop, tmp_path: Path) -> None:
    compiled = shop.compile(BASE)
    assert compiled.resolved is not None
    assert "auto" not in resolved_text(compiled.resolved, tmp_path).split()
