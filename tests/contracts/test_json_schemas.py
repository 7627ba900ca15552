"""The JSON Schemas agree with the programs that read and write these files."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from recipe_runner.diagnostics.render.as_json import as_json
from recipe_runner.plan import to_json
from tests.workshop import BASE, Workshop, recipe

SCHEMAS = Path(__file__).parents[2] / "schemas"


@cache
def validator(name: str) -> Any:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


GOOD: list[dict[str, Any]] = [
    recipe(),
    recipe({"adapter": "lora", "quantization": "bnb_4bit"}),
    recipe({"adapter": {"type": "lora", "r": 8, "lora_alpha": "auto"}}),
    recipe({"adapter": None, "name": None, "training.max_steps": None}),
    recipe({"data.train": ["data/chat.jsonl", {"path": "data/eval.jsonl"}]}),
    recipe({"data.eval": {"split": 0.1}}),
    recipe({"data.eval": {"path": "data/eval.jsonl", "split": "train"}}),
    recipe({"data.eval": ["data/eval.jsonl"]}),
    recipe({"data.train.format": {"type": "text", "text_column": "body"}}),
    recipe({"tracking": "wandb"}),
    recipe({"tracking": ["mlflow", {"type": "wandb", "project": "x"}]}),
    recipe({"tokenizer": "org/other"}),
    recipe({"tokenizer.chat_template": "chatml"}),
    recipe({"tokenizer.chat_template": {"file": "chat.jinja"}}),
    recipe({"tokenizer.chat_template": {"inline": "{{ messages }}"}}),
    recipe({"training.learning_rate": "auto", "training.num_train_epochs": 1}),
    recipe({"launch.strategy": {"type": "fsdp", "cpu_offload": True}}),
    recipe({"hub": "org/result"}),
    recipe({"model.config_overrides": {"rope": {"factor": [1, "two", None]}}}),
]
BAD: list[dict[str, Any]] = [
    {key: value for key, value in BASE.items() if key != "data"},
    recipe({"recipe": 2}),
    recipe({"trainig": {}}),
    recipe({"training.learning_rat": 1e-4}),
    recipe({"training.learning_rate": "fast"}),
    recipe({"training.learning_rate": 0}),
    recipe({"training.max_steps": 1.5}),
    recipe({"training.max_steps": True}),
    recipe({"training.torch_compile": "yes"}),
    recipe({"training.lr_scheduler_type": "cosin"}),
    recipe({"adapter": "lorra"}),
    recipe({"adapter": {"r": 8}}),
    recipe({"adapter": {"type": "lora", "rr": 8}}),
    recipe({"adapter": {"type": "lora", "r": 0}}),
    recipe({"adapter": ["lora"]}),
    recipe({"data.train": []}),
    recipe({"data.train": {"format": "text"}}),
    recipe({"data.train.format": "alpaca"}),
    recipe({"data.train.format": {"type": "text", "column": "body"}}),
    recipe({"data.eval": {"split": 0.1, "shuffle": True}}),
    recipe({"data.eval": {"path": "x", "shuffle": True}}),
    recipe({"tokenizer.chat_template": {"path": "chat.jinja"}}),
    recipe({"tracking": ["wandbb"]}),
    recipe({"tracking": {"type": "wandb", "projekt": "x"}}),
    recipe({"seed": -1}),
    recipe({"tags": "one"}),
    recipe({"model": ""}),
]


@pytest.mark.parametrize("value", GOOD, ids=range(len(GOOD)))
def test_schema_and_program_accept(value: dict[str, Any], shop: Workshop) -> None:
    assert [error.message for error in validator("recipe-v1").iter_errors(value)] == []
    assert [code for code in shop.codes(value) if code.startswith("RR2")] == []


@pytest.mark.parametrize("value", BAD, ids=range(len(BAD)))
def test_schema_and_program_refuse(value: dict[str, Any], shop: Workshop) -> None:
    assert list(validator("recipe-v1").iter_errors(value))
    assert [code for code in shop.codes(value) if code.startswith("RR2")]


def test_a_misspelt_key_gives_one_message() -> None:
    value = recipe({"adapter": {"type": "lora", "rr": 8}})
    (error,) = validator("recipe-v1").iter_errors(value)
    assert error.json_path == "$.adapter"
    assert "'rr' was unexpected" in error.message


@pytest.mark.parametrize("on", ["cpu", "8xH100-80GB"])
def test_plans_are_valid(shop: Workshop, on: str) -> None:
    value = recipe({"adapter": "lora", "quantization": "bnb_4bit", "data.eval": {"split": 0.1}})
    value["score"] = {}
    assert list(validator("plan-v1").iter_errors(to_json(shop.plan(value, on)))) == []


def test_plan_schema_is_closed(shop: Workshop) -> None:
    plan = to_json(shop.plan(recipe()))
    plan["launch"]["surprise"] = 1
    assert list(validator("plan-v1").iter_errors(plan))


def test_reports_are_valid(shop: Workshop) -> None:
    report = shop.compile(recipe({"trainig": {}, "seed": -1})).report
    assert len(report) == 2
    assert list(validator("report-v1").iter_errors(as_json(report))) == []


def test_names_of_definitions_are_words_of_recipes() -> None:
    names = validator("recipe-v1").schema["$defs"]
    assert {"LoraAdapter", "TextFormat", "TextSource", "Training"} <= set(names)
    assert [name for name in names if "_" in name] == []
