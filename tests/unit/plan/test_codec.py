"""A plan as JSON: the same plan is the same bytes, and reading gives it back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recipe_runner.plan import Call, Plan, PlanFormatError, decode, digest, encode, to_json
from tests.workshop import Workshop, recipe


@pytest.fixture
def plan(shop: Workshop) -> Plan:
    return shop.plan(recipe({"adapter": "lora", "quantization": "bnb_4bit"}), "8xH100-80GB")


def test_round_trip(plan: Plan) -> None:
    text = encode(plan)
    assert decode(text) == plan
    assert encode(decode(text)) == text
    assert json.loads(text) == to_json(plan)


def test_calls_are_written_with_their_target(plan: Plan) -> None:
    assert to_json(plan)["adapter"]["$call"] == "peft:LoraConfig"
    inside = Call("trl:SFTConfig", {"nested": [Call("peft:LoraConfig", {"r": 1})]})
    assert to_json(inside)["arguments"]["nested"][0]["$call"] == "peft:LoraConfig"


def test_digest_is_of_the_text(plan: Plan) -> None:
    assert digest(plan) == digest(decode(encode(plan)))
    assert len(digest(plan)) == 64


def changed(plan: Plan, change: Any) -> str:
    value = to_json(plan)
    change(value)
    return json.dumps(value)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda v: v.update(version=2), "version 1"),
        (lambda v: v.update(surprise=1), "plan: missing or unknown: surprise"),
        (lambda v: v["steps"].pop("total"), "plan.steps: missing or unknown: total"),
        (lambda v: v.update(trainer=3), "plan.trainer is not an object"),
        (lambda v: v["data"].update(train={}), "plan.data.train is not a list"),
        (lambda v: v["data"]["train"].append(1), "plan.data.train[1] is not an object"),
        (lambda v: v.update(trainer={"$call": "trl:SFTTrainer"}), "plan.trainer is not a call"),
    ],
)
def test_other_objects_are_refused_at_their_place(plan: Plan, change: Any, place: str) -> None:
    with pytest.raises(PlanFormatError) as caught:
        decode(changed(plan, change))
    assert place in str(caught.value)


def test_text_that_is_no_json_is_refused() -> None:
    with pytest.raises(PlanFormatError, match="line 1"):
        decode("{")


@pytest.mark.parametrize(
    "target",
    ["os:system", "trl:sft", "trl.os:System.x", "builtins:Exec", "trl:SFTConfig; x", "trl"],
)
def test_a_call_names_a_class_of_a_known_package(target: str) -> None:
    with pytest.raises(ValueError, match="not of the form"):
        Call(target)


def test_only_json_values_have_a_place() -> None:
    with pytest.raises(TypeError, match="set has no place"):
        to_json({"a": {1}})
