"""What is decided where a recipe says "auto", and the reason that is kept."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workshop import Workshop, recipe

HUB = {"data.train.path": "org/set", "data.train.format": "messages"}
EVAL = {"data.eval": "data/eval.jsonl"}


def arguments(shop: Workshop, changes: dict[str, Any], on: str) -> dict[str, Any]:
    return dict(shop.plan(recipe(changes), on).arguments.arguments)


# 100 rows. The split is per device x accumulation x processes.
@pytest.mark.parametrize(
    ("changes", "on", "split"),
    [
        pytest.param({}, "cpu", (8, 2, 1), id="default on one"),
        pytest.param({}, "2xH100-80GB", (8, 1, 2), id="default on two"),
        pytest.param({}, "8xH100-80GB", (2, 1, 8), id="default on eight"),
        pytest.param({"training.global_batch_size": 64}, "cpu", (8, 8, 1), id="64 on one"),
        pytest.param({"training.global_batch_size": 64}, "8xH100-80GB", (8, 1, 8), id="64 on 8"),
        # 24 / 8 = 3, whose largest divisor up to 8 is 3; 20 / 2 = 10, whose is 5.
        pytest.param({"training.global_batch_size": 24}, "8xH100-80GB", (3, 1, 8), id="24 on 8"),
        pytest.param({"training.global_batch_size": 20}, "2xH100-80GB", (5, 2, 2), id="20 on 2"),
        pytest.param({"training.global_batch_size": 7}, "cpu", (7, 1, 1), id="a prime"),
        pytest.param({"training.global_batch_size": 22}, "cpu", (2, 11, 1), id="twice a prime"),
        pytest.param(
            {"training.global_batch_size": 32, "training.per_device_train_batch_size": 4},
            "2xH100-80GB",
            (4, 4, 2),
            id="micro-batch stated",
        ),
        pytest.param(
            {"training.global_batch_size": 32, "training.gradient_accumulation_steps": 4},
            "2xH100-80GB",
            (4, 4, 2),
            id="accumulation stated",
        ),
        pytest.param(
            {"training.per_device_train_batch_size": 2, "training.gradient_accumulation_steps": 3},
            "8xH100-80GB",
            (2, 3, 8),
            id="both parts stated",
        ),
    ],
)
def test_batches_are_split(
    shop: Workshop, changes: dict[str, Any], on: str, split: tuple[int, int, int]
) -> None:
    steps = shop.plan(recipe(changes), on).steps
    assert (steps.per_device, steps.accumulation, steps.processes) == split
    assert steps.global_batch_size == split[0] * split[1] * split[2]
    stated = changes.get("training.global_batch_size")
    assert stated in (None, steps.global_batch_size)


@pytest.mark.parametrize(
    ("changes", "per_epoch", "total"),
    [
        # 100 rows / 16 = 6.25 steps; the last one is smaller.
        pytest.param({}, 7, 21, id="three epochs"),
        pytest.param({"training.dataloader_drop_last": True}, 6, 18, id="full batches only"),
        pytest.param({"training.num_train_epochs": 0.5}, 7, 4, id="half an epoch"),
        pytest.param({"training.max_steps": 5}, 7, 5, id="steps stated"),
        pytest.param({"data.train.limit": 32}, 2, 6, id="32 rows"),
        pytest.param({"data.train.fraction_of_rows": 0.5}, 4, 12, id="half the rows"),
        pytest.param({"data.eval": {"split": 20}}, 5, 15, id="20 rows held out"),
        pytest.param({"data.eval": {"split": 0.1}}, 6, 18, id="a tenth held out"),
        pytest.param({"data.eval": {"split": 0.031}}, 7, 21, id="a share is rounded, not up"),
        pytest.param(HUB, None, None, id="rows unknown"),
        pytest.param({**HUB, "training.max_steps": 5}, None, 5, id="rows unknown, steps stated"),
        pytest.param({"data.packing": "bfd"}, None, None, id="packed rows are not counted"),
    ],
)
def test_steps_are_counted(
    shop: Workshop, changes: dict[str, Any], per_epoch: int | None, total: int | None
) -> None:
    steps = shop.plan(recipe(changes)).steps
    assert (steps.per_epoch, steps.total) == (per_epoch, total)


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        pytest.param({}, 1, id="3% of 21"),
        pytest.param({"training.warmup_ratio": 0.1}, 3, id="10% of 21"),
        pytest.param({"training.warmup_steps": 4}, 4, id="stated"),
        pytest.param({"training.warmup_steps": 0}, 0, id="none"),
        pytest.param(HUB, 0.03, id="rows unknown"),
        pytest.param({**HUB, "training.max_steps": 1000}, 30, id="3% of 1000"),
        pytest.param({"training.lr_scheduler_type": "constant"}, 0, id="no warm-up to constant"),
    ],
)
def test_warm_up(shop: Workshop, changes: dict[str, Any], steps: float) -> None:
    assert arguments(shop, changes, "cpu")["warmup_steps"] == steps


@pytest.mark.parametrize(
    ("changes", "on", "precision", "dtype"),
    [
        pytest.param({}, "cpu", "no", "float32", id="cpu"),
        pytest.param({}, "H100", "bf16", "float32", id="full"),
        pytest.param({"adapter": "lora"}, "H100", "bf16", "bfloat16", id="frozen base"),
        pytest.param({"adapter": "lora"}, "T4", "fp16", "float16", id="before Ampere"),
        pytest.param({"launch.mixed_precision": "no"}, "H100", "no", "float32", id="stated"),
        pytest.param({"model.dtype": "bfloat16"}, "H100", "bf16", "bfloat16", id="dtype stated"),
        pytest.param({"launch.use_cpu": True}, "H100", "no", "float32", id="cpu of a GPU machine"),
    ],
)
def test_precision(
    shop: Workshop, changes: dict[str, Any], on: str, precision: str, dtype: str
) -> None:
    plan = shop.plan(recipe(changes), on)
    assert plan.launch.mixed_precision == precision
    assert plan.model.load["dtype"] == dtype
    flags = plan.arguments.arguments
    assert (flags["bf16"], flags["fp16"]) == (precision == "bf16", precision == "fp16")


@pytest.mark.parametrize(
    ("changes", "on", "path", "value"),
    [
        pytest.param({}, "cpu", "learning_rate", 2e-5, id="rate in full"),
        pytest.param({"adapter": "lora"}, "cpu", "learning_rate", 2e-4, id="rate with adapter"),
        pytest.param({}, "cpu", "activation_checkpointing", False, id="activations on cpu"),
        pytest.param({}, "H100", "activation_checkpointing", True, id="activations on gpu"),
        pytest.param({}, "cpu", "dataloader_pin_memory", False, id="pinning on cpu"),
        pytest.param({}, "H100", "dataloader_pin_memory", True, id="pinning on gpu"),
        pytest.param({}, "cpu", "max_length", 2048, id="length"),
        pytest.param({}, "cpu", "load_best_model_at_end", False, id="no evaluation"),
        pytest.param(EVAL, "cpu", "load_best_model_at_end", True, id="best model"),
        pytest.param(EVAL, "cpu", "eval_strategy", "epoch", id="evaluations"),
        pytest.param(EVAL, "cpu", "save_strategy", "epoch", id="saves with evaluations"),
        pytest.param({}, "cpu", "report_to", "none", id="no tracker"),
        pytest.param(
            {**EVAL, "training.metric_for_best_model": "eval_mean_token_accuracy"},
            "cpu",
            "greater_is_better",
            True,
            id="accuracy",
        ),
    ],
)
def test_other_decisions(
    shop: Workshop, changes: dict[str, Any], on: str, path: str, value: Any
) -> None:
    assert arguments(shop, changes, on)[path] == value


def test_context_length_of_a_local_model_bounds_the_rows(shop: Workshop) -> None:
    tiny = {"model.name_or_path": "shipped:quickstart", "model.random_init": True}
    plan = shop.plan(recipe({**tiny, "tokenizer": "shipped:quickstart"}))
    assert plan.data.max_length is not None
    assert plan.data.max_length < 2048
    (reason,) = [d for d in plan.derived if d.path == "data.max_length"]
    assert reason.because == "the model's context length"


def test_every_decision_has_one_reason(shop: Workshop) -> None:
    plan = shop.plan(recipe({"adapter": "lora", **EVAL}), "2xH100-80GB")
    paths = [derived.path for derived in plan.derived]
    assert len(paths) == len(set(paths))
    assert all(derived.because for derived in plan.derived)
    because = {derived.path: derived.because for derived in plan.derived}
    assert because["training.gradient_accumulation_steps"] == "16 / (8 per process x 2 processes)"


def test_what_is_stated_is_not_derived(shop: Workshop) -> None:
    changes = {"training.learning_rate": 1e-5, "data.max_length": 64, "data.num_proc": 2}
    paths = {derived.path for derived in shop.plan(recipe(changes)).derived}
    assert paths.isdisjoint(changes)


def test_no_gpu_is_a_finding_and_no_crash(shop: Workshop) -> None:
    assert shop.codes(recipe({"launch.use_cpu": False})) == ["RR322"]
