"""The resolved recipe is a recipe: training it again gives the same plan."""

from __future__ import annotations

from typing import Any

import pytest

from recipe_runner.compiler.resolved_text import resolved_text
from recipe_runner.plan import to_json
from tests.workshop import Workshop, recipe

EVAL = {"data.eval": "data/eval.jsonl"}
HUB = {"data.train.path": "org/set", "data.train.format": "messages"}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="shortest"),
        pytest.param({"adapter": "lora", "quantization": "bnb_4bit"}, id="qlora"),
        pytest.param({**EVAL, "training.evals_per_epoch": 2}, id="evaluations per epoch"),
        pytest.param({"training.saves_per_epoch": 2}, id="saves per epoch"),
        pytest.param({"training.warmup_ratio": 0.1}, id="warm-up ratio"),
        pytest.param(HUB, id="rows unknown"),
        pytest.param({**HUB, "training.warmup_ratio": 0.1}, id="ratio of unknown steps"),
        pytest.param({**HUB, "training.saves_per_epoch": 2}, id="saves of unknown epochs"),
        pytest.param({"tokenizer.chat_template": {"file": "chat.jinja"}}, id="template file"),
        pytest.param({"launch.num_processes": 2}, id="two processes"),
    ],
)
def test_resolved_recipe_compiles_to_the_same_plan(changes: dict[str, Any], shop: Workshop) -> None:
    first = shop.compile(recipe(changes))
    assert first.resolved is not None and first.plan is not None
    again = shop.compile_text(resolved_text(first.resolved, shop.folder))
    assert again.plan is not None, [d.message for d in again.report]
    assert _essence(again.plan) == _essence(first.plan)


def _essence(plan: Any) -> Any:
    value = to_json(plan)
    del value["recipe_sha256"], value["derived"]
    value["tokenizer"].pop("chat_template_source")
    for source in value["data"]["train"] + value["data"]["eval"]:
        source.pop("path")
    return value
