"""Adapters that were trained before: what a recipe makes of them, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.workshop import ADAPTER, Workshop, recipe, workshop

ON = {"adapter.type": "continued", "adapter.path": "adapters/a"}
MERGED = {"model.adapter": "adapters/a"}
BENEATH = {"model.adapter.path": "adapters/a", "model.adapter.merge": False}
DPO = {"data.train": "data/preference.jsonl", "algorithm": "dpo"}
LORA = {"adapter": "lora"}


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return workshop(tmp_path)


def saved(shop: Workshop, name: str, **changes: Any) -> None:
    """Another configuration of the adapter in `adapters/<name>`."""
    file = shop.folder / "adapters" / name / "adapter_config.json"
    file.write_text(json.dumps({**ADAPTER, **changes}), encoding="utf-8")


def ran(shop: Workshop, name: str, plan: Mapping[str, Any]) -> None:
    """The adapter `a` as the result of a run in `runs/<name>` with a plan."""
    run = shop.folder / "runs" / name
    shutil.copytree(shop.folder / "adapters" / "a", run / "model")
    (run / "plan.json").write_text(json.dumps(plan), encoding="utf-8")


def test_a_continued_adapter_is_planned_with_its_own_configuration(shop: Workshop) -> None:
    plan = shop.plan(recipe(ON))
    assert plan.adapter is not None
    assert plan.adapter.target == "peft:LoraConfig"
    chosen = {key: plan.adapter.arguments[key] for key in ("r", "lora_alpha", "target_modules")}
    assert chosen == {"r": 8, "lora_alpha": 16, "target_modules": ["q_proj"]}
    assert plan.adapter_start is not None
    assert plan.adapter_start.weights == str((shop.folder / "adapters" / "a").resolve())


def test_a_run_directory_stands_for_its_result(shop: Workshop) -> None:
    ran(shop, "first", {"model": {"adapter": None}})
    plan = shop.plan(recipe({**ON, "adapter.path": "runs/first"}))
    assert plan.adapter_start is not None
    assert plan.adapter_start.weights == str((shop.folder / "runs" / "first" / "model").resolve())


def test_where_the_matrices_began_does_not_matter_any_more(shop: Workshop) -> None:
    eva = {"rho": 2.0, "tau": 0.99, "use_label_mask": True}
    saved(shop, "a", init_lora_weights="eva", eva_config=eva, rank_pattern={"q_proj": 3})
    plan = shop.plan(recipe(ON))
    assert plan.adapter is not None
    assert plan.adapter.arguments["init_lora_weights"] is True
    assert plan.adapter.arguments["rank_pattern"] == {"q_proj": 3}
    assert plan.adapter_start is not None
    assert plan.adapter_start.rows == 0


@pytest.mark.parametrize(
    ("changes", "config", "code", "words"),
    [
        pytest.param({**ON, "adapter.path": "adapters/c"}, {}, "RR392", "no folder", id="missing"),
        pytest.param({**ON, "adapter.path": "data"}, {}, "RR392", "no adapter", id="no-adapter"),
        pytest.param({"model": "adapters/a"}, {}, "RR392", "is an adapter", id="as-a-model"),
        pytest.param(
            {**ON, "model": "org/other"}, {}, "RR393", "on org/model-id, and", id="another-base"
        ),
        pytest.param(
            {**MERGED, **ON}, {}, "RR393", "on its base alone", id="continued-on-a-merged-base"
        ),
        pytest.param(ON, {"peft_type": "XLORA"}, "RR394", "XLORA", id="unknown-method"),
        pytest.param(ON, {"peft_type": "PREFIX_TUNING"}, "RR394", "saved prompt", id="prompt"),
        pytest.param(ON, {"peft_type": "ADALORA"}, "RR394", "schedule", id="schedule"),
        pytest.param(ON, {"new_option": 3}, "RR394", "new_option = 3", id="unknown-option"),
        pytest.param(ON, {"r": 0}, "RR394", "its r is 0", id="value-that-no-recipe-has"),
        pytest.param(
            {**MERGED, **LORA, "quantization": "bnb_4bit"}, {}, "RR394", "round", id="quantized"
        ),
        pytest.param(
            {**MERGED, **LORA}, {"peft_type": "PREFIX_TUNING"}, "RR394", "no change", id="no-merge"
        ),
        pytest.param(BENEATH, {}, "RR394", "beneath a new one", id="nothing-on-top"),
        pytest.param({**BENEATH, **LORA, **DPO}, {}, "RR394", "turns adapters off", id="dpo"),
        pytest.param(
            {**BENEATH, **LORA}, {"use_dora": True}, "RR394", "`use_dora`", id="dora-beneath"
        ),
        pytest.param(
            {**BENEATH, "adapter.type": "lora", "adapter.init_lora_weights": "pissa"},
            {},
            "RR394",
            "pissa",
            id="pissa-on-top",
        ),
        pytest.param({**BENEATH, "adapter": "vera"}, {}, "RR394", "vera", id="vera-on-top"),
    ],
)
def test_refused(
    changes: dict[str, Any], config: dict[str, Any], code: str, words: str, shop: Workshop
) -> None:
    saved(shop, "a", **config)
    found = [d for d in shop.compile(recipe(changes)).report if d.code.id == code]
    assert [words in each.message for each in found] == [True], [d.message for d in found]


@pytest.mark.parametrize(
    "changes",
    [
        {**MERGED, **LORA},
        MERGED,
        {**MERGED, **LORA, **DPO},
        {**ON, **DPO},
        {**BENEATH, **LORA},
        {**BENEATH, **LORA, "quantization": "bnb_4bit"},
        {**ON, "quantization": "bnb_4bit"},
    ],
    ids=["new", "full", "dpo", "continued-dpo", "beneath", "beneath-quantized", "on-quantized"],
)
def test_allowed(changes: dict[str, Any], shop: Workshop) -> None:
    saved(shop, "a")
    assert not {"RR392", "RR393", "RR394"} & set(shop.codes(recipe(changes)))


def test_an_adapter_of_a_merged_base_wants_that_base(shop: Workshop) -> None:
    saved(shop, "a")
    below = str((shop.folder / "adapters" / "b").resolve())
    ran(shop, "second", {"model": {"adapter": {"path": below, "merge": True}}})
    on = {**ON, "adapter.path": "runs/second"}
    assert "RR393" in shop.codes(recipe(on))
    assert "RR393" not in shop.codes(recipe({**on, "model.adapter": "adapters/b"}))
    # What was beneath is part of the adapter that was saved.
    ran(shop, "joined", {"model": {"adapter": {"path": below, "merge": False}}})
    assert "RR393" not in shop.codes(recipe({**ON, "adapter.path": "runs/joined"}))
