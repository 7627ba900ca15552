"""Rounds of answers: the steps that a plan counts, and the batches that `auto` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.workshop import Workshop, recipe, workshop

MICRO, GLOBAL = "training.per_device_train_batch_size", "training.global_batch_size"
STEPS, EPOCHS = "training.gradient_accumulation_steps", "training.num_train_epochs"


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return workshop(tmp_path)


def answering(kind: str, rows: int, options: dict[str, Any], changes: dict[str, Any]) -> Any:
    given: dict[str, Any] = {"algorithm": {"type": kind, **options}}
    given["data"] = {"train": {"path": "data/prompts.jsonl", "repeat": 1, "limit": rows}}
    if kind == "grpo":
        given["rewards"] = {"type": "exact_match", "column": "answer"}
    return recipe({EPOCHS: 1, **changes}, **given)


# The figures are those of runs of TRL's trainers with as many rows.
@pytest.mark.parametrize(
    ("options", "rows", "changes", "steps"),
    [
        pytest.param({"num_generations": 2}, 16, {GLOBAL: 8}, 4, id="a round is a step"),
        pytest.param({"num_generations": 2}, 10, {GLOBAL: 8}, 2, id="the last rows fill no round"),
        pytest.param(
            {"num_generations": 2, "steps_per_generation": 2},
            16,
            {MICRO: 2, GLOBAL: 8},
            4,
            id="half",
        ),
        pytest.param(
            {"num_generations": 2, "steps_per_generation": 8}, 10, {GLOBAL: 2}, 8, id="eight steps"
        ),
        pytest.param(
            {"num_generations": 2, "steps_per_generation": 2},
            10,
            {MICRO: 2, GLOBAL: 8, EPOCHS: 2},
            6,
            id="a step of parts of rounds",
        ),
        pytest.param(
            {"num_generations": 2, "num_iterations": 3}, 16, {GLOBAL: 8}, 12, id="three times"
        ),
    ],
)
def test_steps(
    shop: Workshop, options: dict[str, Any], rows: int, changes: dict[str, Any], steps: int
) -> None:
    plan = shop.plan(answering("grpo", rows, options, changes))
    assert plan.steps.total == steps


@pytest.mark.parametrize(
    ("kind", "on", "size"),
    [
        pytest.param("grpo", "cpu", 16, id="8 answers"),
        pytest.param("grpo", "7xH100-80GB", 56, id="8 answers on 7 GPUs"),
        pytest.param("grpo", "3xH100-80GB", 24, id="8 answers on 3 GPUs"),
    ],
)
def test_an_automatic_batch_holds_whole_rounds(
    shop: Workshop, kind: str, on: str, size: int
) -> None:
    plan = shop.plan(answering(kind, 16, {}, {}), on)
    assert plan.steps.global_batch_size == size
