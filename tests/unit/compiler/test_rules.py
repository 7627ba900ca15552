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
SCHEDULE = "training.lr_scheduler_type"
KWARGS = "training.lr_scheduler_kwargs"
METRIC = "training.metric_for_best_model"
TWO_SETS = ["data/chat.jsonl", "data/eval.jsonl"]
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
        pytest.param(
            {"data.train": TWO_SETS, "data.mix": {"strategy": "interleave"}},
            "cpu",
            [],
            id="equal shares",
        ),
        pytest.param({"data.mix": {"strategy": "interleave"}}, "cpu", ["RR307"], id="one set"),
        pytest.param(
            {"data.train": TWO_SETS, "data.mix": {"stopping_strategy": "all_exhausted"}},
            "cpu",
            ["RR307"],
            id="whole sets",
        ),
        pytest.param(
            {"data.train.path": "data/chat.jsonl", "data.train.split": "train[:10%]"},
            "cpu",
            ["RR307"],
            id="slice of a file",
        ),
        pytest.param({"data.leakage": "drop"}, "cpu", ["RR307"], id="leaks nowhere"),
        pytest.param(
            {"data.packing": "wrapped", "data.truncation_mode": "keep_end"},
            "cpu",
            ["RR307"],
            id="pieces are kept",
        ),
        pytest.param(
            {
                **EVAL,
                "data.packing": "bfd_split",
                "data.eval_packing": False,
                "data.truncation_mode": "keep_end",
            },
            "cpu",
            [],
            id="evaluation rows are cut",
        ),
        pytest.param(
            {"data.packing": "bfd", "data.eval_packing": False},
            "cpu",
            ["RR307"],
            id="nothing to pack",
        ),
        pytest.param(
            {"data.leakage": "drop", "data.eval": "data/eval.jsonl"}, "cpu", [], id="may leak"
        ),
        pytest.param(
            {"data.deduplicate": {"method": "exact", "threshold": 0.9}},
            "cpu",
            ["RR307"],
            id="equal or not",
        ),
        pytest.param(
            {"data.deduplicate": {"method": "near", "threshold": 0.9}}, "cpu", [], id="near"
        ),
        pytest.param({"training.torch_compile_mode": "default"}, "cpu", ["RR307"], id="no compile"),
        pytest.param({"training.early_stopping_threshold": 0.1}, "cpu", ["RR307"], id="no stop"),
        pytest.param({"training.liger_kernel_config": {}}, "cpu", ["RR307"], id="no liger"),
        pytest.param(
            {
                "launch.strategy": {"type": "deepspeed", "offload_param_device": "cpu"},
                "launch.num_processes": 2,
            },
            "2xH100",
            ["RR307"],
            id="weights stay whole in stage 2",
        ),
        pytest.param(
            {
                "launch.strategy": {"type": "fsdp", "activation_checkpointing": True},
                "launch.num_processes": 2,
                "training.activation_checkpointing": True,
            },
            "2xH100",
            ["RR307"],
            id="recomputed twice",
        ),
        pytest.param({SCHEDULE: "constant"}, "cpu", [], id="constant"),
        pytest.param(
            {SCHEDULE: "constant", "training.warmup_steps": 0}, "cpu", [], id="warm-up of 0"
        ),
        pytest.param(
            {SCHEDULE: "constant", "training.warmup_steps": 5}, "cpu", ["RR306"], id="warm-up"
        ),
        pytest.param(
            {SCHEDULE: "constant", "training.warmup_ratio": 0.1}, "cpu", ["RR306"], id="ratio"
        ),
        pytest.param({SCHEDULE: "warmup_stable_decay"}, "cpu", ["RR306"], id="no decay"),
        pytest.param(
            {SCHEDULE: "warmup_stable_decay", KWARGS: {"num_decay_steps": 9}},
            "cpu",
            [],
            id="decay",
        ),
        pytest.param(
            {SCHEDULE: "cosine_with_min_lr", KWARGS: {"min_lr": 1e-6, "min_lr_rate": 0.1}},
            "cpu",
            ["RR306"],
            id="two floors",
        ),
        pytest.param({KWARGS: {"num_cycle": 2}}, "cpu", ["RR306"], id="misspelt option"),
        pytest.param({SCHEDULE: "reduce_lr_on_plateau"}, "cpu", ["RR306"], id="no plateau"),
        pytest.param(
            {SCHEDULE: "reduce_lr_on_plateau", **EVAL}, "cpu", [], id="plateau of the eval loss"
        ),
        pytest.param({KWARGS: {"num_cycles": "two"}}, "cpu", ["RR306"], id="option in words"),
        pytest.param({"model.dtype": "float16"}, "H100", ["RR310"], id="float16 in full"),
        pytest.param(
            {"model.dtype": "float16", "adapter": "lora"}, "H100", [], id="float16 that is frozen"
        ),
        pytest.param(
            {"training.optim": "apollo_adamw", "training.save_only_model": True},
            "cpu",
            ["RR504"],
            id="no modules",
        ),
        pytest.param(
            {"training.optim": "grokadamw"}, "H100", ["RR398"], id="no state to resume from"
        ),
        pytest.param({"training.optim": "muon", "adapter": "lora"}, "cpu", ["RR397"], id="muon"),
        pytest.param(
            {"training.optim": "muon", "launch.strategy": "fsdp"},
            "8xH100-80GB",
            ["RR398"],
            id="muon in pieces",
        ),
        pytest.param(
            {
                "training.optim": "lomo",
                "training.max_grad_norm": 0.0,
                "training.gradient_accumulation_steps": 1,
                "training.parameter_groups": [{"pattern": "norm"}],
            },
            "cpu",
            ["RR396"],
            id="one rate for all",
        ),
        pytest.param({"training.loraplus_lr_embedding": 1e-5}, "cpu", ["RR307"], id="no LoRA+"),
        pytest.param(
            {"adapter": "lora", "model.trainable": {"norms": True}}, "cpu", ["RR313"], id="norms"
        ),
        pytest.param(
            {"training.optim_target_modules": "all-linear"}, "cpu", ["RR307"], id="not projected"
        ),
        pytest.param({METRIC: "accuracy", **EVAL}, "cpu", ["RR308"], id="no such metric"),
        pytest.param({METRIC: "entropy", **EVAL}, "cpu", [], id="metric without its prefix"),
        pytest.param({"model.freeze": ["(("]}, "cpu", ["RR320"], id="frozen pattern"),
        pytest.param(
            {
                "model": {"name_or_path": "Qwen/Qwen3-0.6B", "freeze": ["*embed*"]},
                "tokenizer": {"chat_template": "chatml"},
            },
            "H100",
            ["RR320"],
            id="frozen pattern of a known model",
        ),
        pytest.param(
            {"adapter": {"type": "lora", "rank_pattern": {"*": 8}}}, "cpu", ["RR320"], id="ranks"
        ),
        pytest.param(
            {"adapter": {"type": "lora", "target_modules": ["(("]}}, "cpu", [], id="plain names"
        ),
        pytest.param({"data.eval": {"split": 100}}, "cpu", ["RR427"], id="all rows evaluate"),
        pytest.param({"data.eval": {"split": 99}}, "cpu", [], id="one row trains"),
        pytest.param(
            {"data.eval": {"path": "data/eval.jsonl", "probability": 0.5}},
            "cpu",
            ["RR331"],
            id="eval",
        ),
        pytest.param({"data.eval_packing": True}, "cpu", ["RR332"], id="only evaluation packs"),
        pytest.param(
            {
                "data.packing": "bfd_split",
                "data.eval": {"split": 1},
                "data.eval_packing": False,
            },
            "cpu",
            ["RR332"],
            id="rows split off are not cut",
        ),
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


@pytest.mark.parametrize(
    ("changes", "on", "said"),
    [
        ({GLOBAL: 16}, "3xH100", "is 16, which is not a multiple of 3 processes; 15 and 18 are"),
        (
            {GLOBAL: 16, MICRO: 3},
            "2xH100",
            "is 16, which is not a multiple of 3 sequences x 2 processes = 6; 12 and 18 are",
        ),
    ],
    ids=["derived micro-batch", "stated micro-batch"],
)
def test_a_batch_that_fits_is_proposed(
    shop: Workshop, changes: dict[str, Any], on: str, said: str
) -> None:
    (found,) = shop.compile(recipe(changes), on).report
    assert said in found.message


@pytest.mark.parametrize(
    ("optim", "packages"),
    [
        ("adamw_torch_fused", []),
        ("paged_adamw_8bit", ["bitsandbytes"]),
        ("stable_adamw", ["torch-optimi"]),
        ("adamw_torch_8bit", ["torchao"]),
        ("schedule_free_sgd", ["schedulefree"]),
        ("rmsprop", []),
    ],
)
def test_an_optimizer_names_its_package(shop: Workshop, optim: str, packages: list[str]) -> None:
    plan = shop.plan(recipe({"training.optim": optim}))
    assert [each.package for each in plan.requires] == packages
