"""Recipes whose rows share a sequence: the attention of their plans, and what rules it out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.cli.plan_page import page
from recipe_runner.plan.joined import cannot_join, cannot_segment
from tests.workshop import Workshop, recipe, workshop

ATTENTION = "model.attn_implementation"
PACKED = {"data.packing": "bfd"}
PADDING_FREE = {"algorithm": {"type": "sft", "padding_free": True}}


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return workshop(tmp_path)


@pytest.mark.parametrize(
    ("changes", "attention"),
    [
        pytest.param({}, "segments", id="joined before the layers"),
        pytest.param({"speed": "off"}, None, id="rows of their own"),
        pytest.param({ATTENTION: "sdpa"}, "sdpa", id="rows of their own, stated"),
        pytest.param(PACKED, "segments", id="packed"),
        pytest.param(PADDING_FREE, "segments", id="padding-free"),
        pytest.param({**PACKED, ATTENTION: "sdpa"}, "segments", id="packed on sdpa"),
        pytest.param({**PACKED, ATTENTION: "eager"}, "eager", id="packed, another one stated"),
        pytest.param(
            {**PACKED, ATTENTION: "flash_attention_2", "launch.mixed_precision": "bf16"},
            "flash_attention_2",
            id="packed with flash attention",
        ),
    ],
)
def test_attention_of_the_plan(
    shop: Workshop, changes: dict[str, Any], attention: str | None
) -> None:
    plan = shop.plan(recipe(changes), "1xH100")
    assert plan.model.load["attn_implementation"] == attention
    decided = [each.value for each in plan.derived if each.path == ATTENTION]
    assert decided == (["segments"] if attention == "segments" else [])


@pytest.mark.parametrize("changes", [{}, PACKED, {**PACKED, "data.packing": "wrapped"}])
def test_the_trainer_is_never_asked_to_pack(shop: Workshop, changes: dict[str, Any]) -> None:
    plan = shop.plan(recipe(changes))
    assert plan.arguments.arguments["packing"] is False
    assert plan.arguments.arguments["eval_packing"] is False
    assert "packing_strategy" not in plan.arguments.arguments
    assert plan.data.packing == changes.get("data.packing")


def test_page_counts_packs_and_names_the_attention(shop: Workshop) -> None:
    text = page(shop.plan(recipe(PACKED)), width=120)
    assert "16 packs per step" in text
    assert "segments; rows that share a sequence do not see each other" in text
    assert "16 sequences per step" in page(shop.plan(recipe(PADDING_FREE)), width=120)


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        pytest.param({**PACKED, ATTENTION: "eager"}, ["RR346"], id="mask over packs"),
        pytest.param(
            {**PADDING_FREE, ATTENTION: "flex_attention"}, ["RR346"], id="mask over a batch"
        ),
        pytest.param(
            {**PACKED, ATTENTION: "eager", "training.per_device_train_batch_size": 1},
            [],
            id="mask over one pack",
        ),
        pytest.param({**PADDING_FREE, "data.packing": "bfd"}, [], id="both"),
        pytest.param(
            {
                "data.loss_on": {"weights": {"a": 2.0}},
                "training.label_smoothing_factor": 0.1,
            },
            ["RR345"],
            id="weights under label smoothing",
        ),
        pytest.param({"training.label_smoothing_factor": 0.1}, [], id="no weights"),
    ],
)
def test_rules(shop: Workshop, changes: dict[str, Any], codes: list[str]) -> None:
    assert shop.codes(recipe(changes)) == codes


@pytest.mark.parametrize(
    ("config", "attention", "codes"),
    [
        pytest.param({"layer_types": ["full_attention", "sliding_attention"]}, None, [], id="fine"),
        pytest.param({"layer_types": ["linear_attention"]}, None, ["RR344"], id="linear"),
        pytest.param(
            {"layer_types": ["linear_attention"]}, "eager", ["RR346", "RR344"], id="always"
        ),
        pytest.param({"attn_logit_softcapping": 50.0}, None, ["RR344"], id="capped"),
        pytest.param({"attn_logit_softcapping": None}, None, [], id="not capped"),
        pytest.param({"attn_logit_softcapping": 50.0}, "eager", ["RR346"], id="capped, eager"),
        pytest.param({"model_type": "gpt_oss"}, None, ["RR344"], id="sinks"),
    ],
)
def test_models_whose_documents_would_meet(
    shop: Workshop, config: dict[str, Any], attention: str | None, codes: list[str]
) -> None:
    folder = shop.folder / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tokenizer = {"name_or_path": "org/model-id", "chat_template": "chatml"}
    model = {"name_or_path": "tiny", "random_init": True, "attn_implementation": attention}
    assert shop.codes(recipe(PACKED, model=model, tokenizer=tokenizer)) == codes


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"state_size": 16}, "recurrent"),
        ({"attention_chunk_size": 8192}, "chunks"),
        ({"use_bidirectional_attention": True}, "both directions"),
        ({"text_config": {"layer_types": ["mamba"]}, "layer_types": []}, "layers of mamba"),
        ({"layer_types": None, "is_causal": True}, None),
    ],
)
def test_why_a_configuration_cannot_join(config: dict[str, Any], why: str | None) -> None:
    found = cannot_join(config)
    assert found is None if why is None else found is not None and why in found
    assert cannot_segment(config) is None
