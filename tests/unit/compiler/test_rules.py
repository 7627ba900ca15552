"""Rules beyond the example on their page: each case with the codes that it reports."""

from __future__ import annotations

from typing import Any

import pytest

from recipe_runner.compiler.rules import RULES
from tests.workshop import Workshop, recipe

EVAL = {"data.eval": "data/eval.jsonl"}
MICRO = "training.per_device_train_batch_size"
GLOBAL = "training.global_batch_size"
STEPS = "training.gradient_accumulation_steps"
FSDP = {"launch.strategy": "fsdp", "launch.num_processes": 2}


@pytest.mark.parametrize(
    ("changes", "on", "codes"),
    [
        pytest.param({GLOBAL: 12, MICRO: 4}, "2xH100", ["RR301"], id="12 = 4 x 2 x 1.5"),
        pytest.param({GLOBAL: 4}, "8xH100", ["RR301"], id="fewer sequences than processes"),
        pytest.param({GLOBAL: 16, MICRO: 2, STEPS: 4}, "cpu", ["RR301"], id="product is 8"),
        pytest.param({GLOBAL: 16, MICRO: 2, STEPS: 8}, "cpu", [], id="product fits"),
        pytest.param(
            {"training.save_strategy": "epoch", "training.save_steps": 5},
            "cpu",
            ["RR302"],
            id="save",
        ),
        pytest.param(
            {"training.warmup_ratio": 0.1, "training.warmup_steps": 5},
            "cpu",
            ["RR302"],
            id="warm-up",
        ),
        pytest.param({"training.eval_strategy": "steps"}, "cpu", ["RR303"], id="no rows"),
        pytest.param(
            {**EVAL, "training.eval_strategy": "no", "training.early_stopping_patience": 2},
            "cpu",
            ["RR303"],
            id="never evaluates",
        ),
        pytest.param(
            {
                **EVAL,
                "training.load_best_model_at_end": True,
                "training.eval_strategy": "epoch",
                "training.save_strategy": "steps",
            },
            "cpu",
            ["RR304"],
            id="best of epochs, saved by steps",
        ),
        pytest.param(
            {"training.dataloader_persistent_workers": True}, "cpu", ["RR305"], id="no workers"
        ),
        pytest.param({"quantization": "bnb_8bit"}, "cpu", ["RR311"], id="8 bits without adapter"),
        pytest.param(
            {"adapter": "lora", "model.trainable_parameters": ["lm_head"]},
            "cpu",
            ["RR313"],
            id="both",
        ),
        pytest.param({"training.learning_rate": 1e-7}, "cpu", ["RR314"], id="too low"),
        pytest.param(
            {"adapter": "lora", "training.learning_rate": 1e-3},
            "cpu",
            [],
            id="fine with an adapter",
        ),
        pytest.param(
            {"adapter": {"type": "lora", "layers_pattern": "layers"}},
            "cpu",
            ["RR319", "RR319"],
            id="pattern of no layers",
        ),
        pytest.param(
            {"launch.strategy": "deepspeed"}, "cpu", ["RR321", "RR326"], id="deepspeed on cpu"
        ),
        pytest.param({"launch.strategy": "fsdp"}, "H100", ["RR326"], id="fsdp on one GPU"),
        pytest.param({"launch.strategy": "fsdp"}, "2xH100", [], id="fsdp on two GPUs"),
        pytest.param({"launch.num_machines": 2}, "8xH100", ["RR321"], id="where to meet"),
        pytest.param({"launch.num_processes": 8}, "4xH100", ["RR322"], id="too many"),
        pytest.param({"launch.mixed_precision": "bf16"}, "T4", ["RR323"], id="bf16 on T4"),
        pytest.param({"launch.mixed_precision": "bf16"}, "cpu", [], id="bf16 on cpu"),
        pytest.param({"training.tf32": True}, "cpu", ["RR323"], id="tf32 on cpu"),
        pytest.param({"training.tf32": True}, "H100", [], id="tf32"),
        pytest.param({"training.tf32": False}, "cpu", [], id="tf32 off"),
        pytest.param(
            {"adapter": "lora", "quantization": "bnb_8bit", **FSDP},
            "2xH100",
            ["RR324"],
            id="8 bits",
        ),
        pytest.param({"data.mix": {"strategy": "interleave"}}, "cpu", [], id="equal shares"),
        pytest.param(
            {"data.eval": {"path": "data/eval.jsonl", "probability": 0.5}},
            "cpu",
            ["RR331"],
            id="eval",
        ),
        pytest.param({"data.eval_packing": True}, "cpu", ["RR332"], id="only evaluation packs"),
        pytest.param(
            {"algorithm": {"type": "sft", "extra": {"seed": 1}}}, "cpu", ["RR502"], id="seed"
        ),
    ],
)
def test_rules(shop: Workshop, changes: dict[str, Any], on: str, codes: list[str]) -> None:
    assert shop.codes(recipe(changes), on) == codes


def test_numbers_in_a_message(shop: Workshop) -> None:
    (found,) = shop.compile(recipe({GLOBAL: 100, MICRO: 2}), "8xH100").report
    assert found.message == (
        "`training.global_batch_size` is 100, which is not a multiple of "
        "2 sequences x 8 processes = 16; 96 and 112 are"
    )


def test_codes_of_rules_are_in_order_and_once() -> None:
    ids = [rule.code.id for rule in RULES]
    assert ids == sorted(set(ids))
