"""A strategy of "steps" always has a number: upstream fails on null in its first step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.workshop import BASE, Workshop


@pytest.mark.parametrize(
    ("training", "evaluates", "saves"),
    [
        # 100 rows, 10 of them held out: 90 rows, 16 a step, 6 steps an epoch.
        pytest.param({}, ("epoch", None), ("epoch", None), id="nothing stated"),
        pytest.param({"eval_steps": 50}, ("steps", 50), ("steps", 50), id="evaluations stated"),
        pytest.param({"evals_per_epoch": 2}, ("steps", 3), ("steps", 3), id="per epoch"),
        pytest.param({"save_strategy": "steps"}, ("epoch", None), ("steps", 500), id="only steps"),
        pytest.param({"eval_strategy": "steps"}, ("steps", 500), ("steps", 500), id="both open"),
        pytest.param({"eval_strategy": "no"}, ("no", None), ("steps", 500), id="no evaluation"),
        pytest.param({"save_steps": 7}, ("epoch", None), ("steps", 7), id="checkpoints stated"),
    ],
)
def test_intervals_of_steps_are_decided(
    shop: Workshop,
    training: Mapping[str, Any],
    evaluates: tuple[str, int | None],
    saves: tuple[str, int | None],
) -> None:
    data = {"train": "data/chat.jsonl", "eval": {"split": 10}}
    arguments = shop.plan({**BASE, "data": data, "training": training}).arguments.arguments
    assert (arguments["eval_strategy"], arguments["eval_steps"]) == evaluates
    assert (arguments["save_strategy"], arguments["save_steps"]) == saves


def test_checkpoints_have_an_interval_without_evaluation_rows(shop: Workshop) -> None:
    arguments = shop.plan(BASE).arguments.arguments
    assert (arguments["save_strategy"], arguments["save_steps"]) == ("steps", 500)
