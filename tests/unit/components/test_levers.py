"""What becomes of each lever in a recipe, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.components.base import discover
from recipe_runner.plan import LeverPlan, Plan
from recipe_runner.recipe.speed import Speed
from tests.workshop import Workshop, recipe, workshop

LEVERS = discover("recipe_runner.components.levers")
ADAPTED = {"adapter": "lora"}
STEPS = {
    "training.per_device_train_batch_size": 4,
    "training.gradient_accumulation_steps": 2,
    "training.global_batch_size": 8,
}


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return workshop(tmp_path)


def lever(plan: Plan, name: str) -> LeverPlan:
    return next(each for each in plan.speed.levers if each.name == name)


def test_each_lever_has_its_key() -> None:
    named = set(Speed.model_fields) - {"levers", "tokens_per_micro_batch"}
    assert named == set(LEVERS)


@pytest.mark.parametrize(
    ("name", "changes", "on", "state", "because"),
    [
        ("padding_free", {}, "cpu", "applied", "apart"),
        ("padding_free", {}, "H100", "applied", "apart"),
        ("padding_free", {"data.packing": "bfd"}, "cpu", "not needed", "arrive joined"),
        ("padding_free", {"model.attn_implementation": "eager"}, "cpu", "refused", "eager"),
        ("padding_free", {"training.torch_compile": True}, "cpu", "refused", "one shape"),
        ("padding_free", {"launch.strategy": "fsdp"}, "2xH100", "applied", "apart"),
        ("padding_free", {"adapter": "prompt_tuning"}, "cpu", "refused", "tokens of its own"),
        (
            "padding_free",
            {"adapter": {"type": "lora", "alora_invocation_tokens": [5]}},
            "cpu",
            "refused",
            "looks where each token stands",
        ),
        (
            "padding_free",
            {**ADAPTED, "quantization": "bnb_8bit"},
            "H100",
            "refused",
            "`speed.padding_free: on` uses it all the same",
        ),
        (
            "padding_free",
            {**ADAPTED, "quantization": "bnb_8bit", "speed.padding_free": "on"},
            "H100",
            "applied",
            "the recipe asks for it",
        ),
        ("micro_batches", STEPS, "cpu", "applied", "a sum over the tokens"),
        ("micro_batches", {"training.global_batch_size": 8}, "cpu", "not needed", "one pass"),
        (
            "micro_batches",
            {**STEPS, "training.global_batch_size": 16},
            "2xH100",
            "refused",
            "filled up with other rows",
        ),
        (
            "micro_batches",
            {**STEPS, "training.global_batch_size": 16, "speed.micro_batches": "on"},
            "2xH100",
            "applied",
            "the recipe asks for it",
        ),
        ("logged_metrics", {}, "cpu", "applied", "one step in 10 is logged"),
        ("logged_metrics", {"training.logging_steps": 1}, "cpu", "not needed", "each step"),
        ("logged_metrics", {"algorithm.loss_type": "dft"}, "cpu", "not needed", "this loss"),
        ("regional_compile", {}, "H100", "refused", "compiled layers round otherwise"),
        ("regional_compile", {"speed.regional_compile": "on"}, "cpu", "applied", "asks for it"),
        ("regional_compile", {"training.torch_compile": True}, "H100", "not needed", "whole"),
        ("regional_compile", {"launch.strategy": "fsdp"}, "2xH100", "refused", "spread"),
        (
            "fused_layers",
            {"speed": {"regional_compile": "on", "liger": "on"}},
            "H100",
            "not needed",
            "compiled layers",
        ),
        ("liger", {"speed": {"regional_compile": "on"}}, "H100", "not needed", "compiled layers"),
        ("float8", {}, "cpu", "refused", "a CPU has no"),
        ("float8", {}, "A100", "refused", "A100 has no"),
        ("float8", {}, "H100", "refused", "4 bits of mantissa; `speed.float8: on`"),
        ("float8", {"speed.float8": "on"}, "H100", "applied", "the recipe asks for it"),
        ("float8", ADAPTED, "H100", "refused", "frozen weights"),
        ("float8", {"launch.mixed_precision": "no"}, "H100", "not needed", "bfloat16"),
        ("fused_layers", {}, "H100", "applied", "compared with itself"),
        ("fused_layers", ADAPTED, "H100", "applied", "each kind of layer"),
        (
            "fused_layers",
            {"adapter": {"type": "lora", "lora_dropout": 0.1}},
            "H100",
            "applied",
            "norm and gate",
        ),
        ("fused_layers", {"adapter": "ia3"}, "H100", "applied", "norm and gate"),
        ("fused_layers", {}, "cpu", "refused", "gains no time; `speed.fused_layers: on`"),
        ("fused_layers", {"speed.fused_layers": "on"}, "cpu", "applied", "the recipe asks for it"),
        ("fused_layers", {"launch.strategy": "fsdp"}, "2xH100", "refused", "spread"),
        ("fused_layers", {"training.torch_compile": True}, "H100", "not needed", "of its own"),
        (
            "fused_layers",
            {"speed.regional_compile": "on", "speed.liger": "off"},
            "H100",
            "not needed",
            "compiled layers",
        ),
        ("micro_batches", {**STEPS, "data.packing": "bfd"}, "cpu", "not needed", "joined"),
        (
            "micro_batches",
            {**STEPS, "training.dataloader_drop_last": True},
            "cpu",
            "refused",
            "by the batch",
        ),
        (
            "micro_batches",
            {**STEPS, "training.label_smoothing_factor": 0.1},
            "cpu",
            "refused",
            "a mean",
        ),
        ("loss_head", {}, "cpu", "applied", "scores every token"),
        ("loss_head", {}, "H100", "not needed", "on a GPU"),
        ("adapter_inputs", {}, "H100", "not needed", "in full"),
        ("adapter_inputs", ADAPTED, "H100", "applied", "in any case"),
        ("adapter_inputs", ADAPTED, "cpu", "not needed", "float32"),
        (
            "adapter_inputs",
            {"adapter": {"type": "lora", "lora_dropout": 0.1}},
            "H100",
            "refused",
            "`speed.adapter_inputs: on`",
        ),
        ("adapter_inputs", {"adapter": "ia3"}, "H100", "refused", "ia3"),
        ("threads", {}, "cpu-4", "applied", "4 cores for 1 processes: 4 each"),
        ("threads", {"launch.num_cpu_threads_per_process": 2}, "cpu", "not needed", "how many"),
        ("threads", {}, "H100", "not needed", "a GPU computes"),
        ("host_loop", {}, "cpu", "applied", "once"),
        ("host_loop", {"speed.host_loop": "off"}, "cpu", "refused", "the recipe turns it off"),
        ("host_loop", {"speed": "off"}, "cpu", "refused", "the recipe turns it off"),
        ("host_loop", {"speed": {"levers": "off", "host_loop": "on"}}, "cpu", "applied", "once"),
    ],
)
def test_what_becomes_of_a_lever(
    name: str, changes: dict[str, Any], on: str, state: str, because: str, shop: Workshop
) -> None:
    found = lever(shop.plan(recipe(changes), on), name)
    assert (found.state, because in found.because) == (state, True), found


@pytest.mark.parametrize(
    ("config", "because"),
    [
        ({"model_type": "mixtral", "num_local_experts": 8}, "balance of experts"),
        ({"model_type": "gemma2", "attn_logit_softcapping": 50.0}, "caps its attention scores"),
        ({"model_type": "lfm2", "conv_L_cache": 3}, "recurrent"),
    ],
)
def test_models_that_keep_their_padding(
    config: dict[str, Any], because: str, shop: Workshop, tmp_path: Path
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    changes = {
        "model": {"name_or_path": str(folder), "random_init": True},
        "tokenizer": {"name_or_path": "org/model-id", "chat_template": "chatml"},
    }
    plan = shop.plan(recipe(changes))
    assert because in lever(plan, "padding_free").because
    assert plan.model.load["attn_implementation"] is None


@pytest.mark.parametrize(
    ("changes", "on", "codes"),
    [
        ({"speed.padding_free": "require"}, "cpu", []),
        ({"speed.adapter_inputs": "require"}, "cpu", ["RR339"]),
        ({"speed.adapter_inputs": "on"}, "cpu", ["RR338"]),
        ({"speed.micro_batches": "on", **STEPS}, "cpu", []),
    ],
)
def test_a_lever_that_is_asked_for_and_not_used_is_told(
    changes: dict[str, Any], on: str, codes: list[str], shop: Workshop
) -> None:
    found = [code for code in shop.codes(recipe(changes), on) if code in ("RR338", "RR339")]
    assert found == codes


def test_tokens_of_a_pass(shop: Workshop) -> None:
    long = {**STEPS, "data.max_length": 8192}
    assert shop.plan(recipe({**STEPS, "data.max_length": 512})).speed.tokens_per_micro_batch == 2048
    assert shop.plan(recipe(long)).speed.tokens_per_micro_batch == 8192
    assert shop.plan(recipe(long), "H100").speed.tokens_per_micro_batch == 16384
    stated = {**STEPS, "speed.tokens_per_micro_batch": 100}
    assert shop.plan(recipe(stated)).speed.tokens_per_micro_batch == 100
    assert shop.plan(recipe({"training.global_batch_size": 8})).speed.tokens_per_micro_batch is None


@pytest.mark.parametrize(
    ("changes", "on", "paths"),
    [
        ({}, "cpu", ["data.packing"]),
        ({"data.packing": "bfd"}, "cpu", []),
        ({"speed": "off"}, "cpu", []),
        (
            {},
            "H100",
            ["data.packing", "training.optim", "speed.float8", "speed.regional_compile"],
        ),
        ({**ADAPTED, "training.torch_compile": True}, "H100", ["data.packing"]),
    ],
)
def test_what_changes_numbers_is_proposed(
    changes: dict[str, Any], on: str, paths: list[str], shop: Workshop
) -> None:
    plan = shop.plan(recipe(changes), on)
    assert [each.path for each in plan.speed.proposals] == paths
    assert all(each.gain and each.changes for each in plan.speed.proposals)
