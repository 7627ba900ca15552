"""Rows of a pass and the strategy follow from memory, where the recipe leaves them open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recipe_runner.plan import Plan
from tests.workshop import Workshop, recipe, workshop

LARGE: dict[str, Any] = {
    "model": "meta-llama/Llama-3.1-8B",
    "tokenizer": {"chat_template": "chatml"},
    "data.max_length": 4096,
}
ADAPTED = {**LARGE, "adapter": "lora"}
MICRO = "training.per_device_train_batch_size"
STRATEGY = "launch.strategy"


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return workshop(tmp_path)


def decided(plan: Plan, path: str) -> tuple[Any, str]:
    """The value at `path`, and why."""
    found = next(each for each in plan.derived if each.path == path)
    value = found.value["type"] if isinstance(found.value, dict) else found.value
    return value, found.because


@pytest.mark.parametrize(
    ("changes", "on", "path", "value", "because"),
    [
        # All fits as it is: nothing is tried.
        ({**ADAPTED, "data.max_length": 256}, "H100", MICRO, 8, "per process up to 8"),
        # Fewer rows are kept whole, where more would be computed again.
        (ADAPTED, "A100-40GB", MICRO, 1, "with 8 activations have to be computed again"),
        ({**ADAPTED, "speed": "off"}, "RTX4090", MICRO, 1, "with 8 a run takes"),
        # On a CPU, and where the memory is not known, nothing is tried.
        (ADAPTED, "cpu", MICRO, 8, "per process up to 8"),
        # The weights are spread where they do not fit, and only there.
        (LARGE, "8xH100", STRATEGY, "fsdp", "8 processes share the weights"),
        (ADAPTED, "8xH100", STRATEGY, "ddp", "each holds the whole model"),
        (LARGE, "H100", STRATEGY, "single", "one process"),
        # What needs whole weights keeps them whole, also where they do not fit.
        ({**LARGE, "training.optim": "muon"}, "8xH100", STRATEGY, "ddp", "holds the whole model"),
        (
            {
                **LARGE,
                "data.max_length": 32768,
                "adapter": {"type": "lora", "init_lora_weights": "pissa"},
            },
            "8xA100-40GB",
            STRATEGY,
            "ddp",
            "holds the whole model",
        ),
    ],
)
def test_what_is_decided(
    changes: dict[str, Any], on: str, path: str, value: Any, because: str, shop: Workshop
) -> None:
    plan = shop.plan(recipe(changes), on)
    found = decided(plan, path)
    assert found[0] == value
    assert because in found[1]


@pytest.mark.parametrize(
    ("changes", "on", "path"),
    [
        ({**ADAPTED, MICRO: 8}, "RTX4090", MICRO),
        ({**LARGE, STRATEGY: "ddp"}, "8xH100", STRATEGY),
    ],
)
def test_what_is_stated_stays(changes: dict[str, Any], on: str, path: str, shop: Workshop) -> None:
    plan = shop.plan(recipe(changes), on)
    assert path not in {each.path for each in plan.derived}
    assert plan.steps.per_device * plan.steps.accumulation * plan.launch.num_processes == 16


def test_the_global_batch_is_the_same_on_any_machine(shop: Workshop) -> None:
    for on in ("H100", "RTX4090", "2xH100", "8xH100", "cpu"):
        steps = shop.plan(recipe(ADAPTED), on).steps
        assert steps.global_batch_size == 16, on
