"""Recipes for models that see: what they may say, and what the plan makes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.workshop import Workshop, recipe

SEES = {"model.task": "image_text_to_text"}
LOCAL = {"model_type": "llava", "vision_config": {}, "text_config": {}}

CASES: Mapping[str, tuple[Mapping[str, Any], list[str]]] = {
    "plain": ({}, []),
    "packing": ({"data.packing": "bfd"}, ["RR344"]),
    "padding-free": ({"algorithm.padding_free": True, "algorithm.type": "sft"}, ["RR344"]),
    "split": ({"data.overlong": "split"}, ["RR352"]),
    "keep the end": ({"data.truncation_mode": "keep_end"}, ["RR352"]),
    "score": ({"score.rows": 5, "data.eval": "data/eval.jsonl"}, ["RR352"]),
    "stream": ({"data.streaming": True, "training.max_steps": 5}, ["RR348"]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_rows_with_images_cannot_do_is_told(shop: Workshop, name: str) -> None:
    changes, expected = CASES[name]
    assert [code for code in shop.codes(recipe({**SEES, **changes})) if code < "RR4"] == expected


@pytest.mark.parametrize("sees", [True, False])
def test_a_model_without_a_vision_part_does_not_see(shop: Workshop, sees: bool) -> None:
    folder = shop.folder / ("sees" if sees else "reads")
    folder.mkdir(exist_ok=True)
    config = LOCAL if sees else {"model_type": "llama", "hidden_size": 8}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    wanted = recipe({**SEES, "model.name_or_path": folder.name, "model.random_init": True})
    assert ("RR353" in shop.codes(wanted)) is not sees


def test_the_plan_loads_a_model_that_sees(shop: Workshop) -> None:
    plan = shop.plan(recipe({**SEES, "adapter": "lora"}))
    assert plan.model.auto_class == "transformers:AutoModelForImageTextToText"
    assert plan.model.sees
    # PEFT knows no task of its own for them.
    assert plan.adapter is not None
    assert plan.adapter.arguments["task_type"] == "CAUSAL_LM"
    assert [each.module for each in plan.requires] == ["PIL"]
    assert not shop.plan(recipe()).model.sees
