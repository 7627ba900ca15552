"""The recipe's `ppo` says what the trainer takes, and what does not go together."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from recipe_runner.components.algorithms.ppo import Ppo

pytestmark = pytest.mark.runs


def test_trainer_takes_the_options_of_the_recipe() -> None:
    from recipe_runner.execute.ppo.options import Options

    options = Ppo(type="ppo").trainer_arguments()["options"]
    assert options.keys() == {field.name for field in fields(Options)}
    assert Options(**options) == Options(**Ppo(type="ppo", lam=0.95).trainer_arguments()["options"])
    assert Options(**options) != Options(**Ppo(type="ppo", lam=0.9).trainer_arguments()["options"])


def test_upstream_takes_the_arguments_of_the_recipe(tmp_path: Any) -> None:
    from trl import GRPOConfig

    given = Ppo(type="ppo", kl_coef=0.125, num_iterations=3).arguments()
    made = GRPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, **given)
    assert (made.beta, made.num_iterations) == (0.125, 3)


def test_arguments_of_losses_that_it_does_not_have_are_refused_in_extra() -> None:
    from trl import GRPOConfig

    known = {field.name for field in fields(GRPOConfig)}
    assert known >= Ppo.managed
    assert not Ppo.managed & Ppo(type="ppo", extra={}).arguments().keys() - {"beta"}


@pytest.mark.parametrize(
    ("values", "field", "severity"),
    [
        pytest.param({"kl_coef": 0.0, "kl_target": 6.0}, "kl_target", "error", id="nothing adapts"),
        pytest.param(
            {"kl_coef": 0.0, "kl_estimator": "k3"}, "kl_estimator", "warning", id="nothing to tell"
        ),
        pytest.param({"kl_horizon": 10.0}, "kl_horizon", "warning", id="horizon of nothing"),
        pytest.param(
            {"mask_truncated_completions": True, "missing_eos_penalty": 1.0},
            "missing_eos_penalty",
            "warning",
            id="penalty for what is left out",
        ),
        pytest.param(
            {"vllm_importance_sampling_correction": False},
            "vllm_importance_sampling_correction",
            "warning",
            id="vLLM without it",
        ),
    ],
)
def test_options_without_effect_are_told(values: dict[str, Any], field: str, severity: str) -> None:
    (conflict,) = Ppo(type="ppo", **values).conflicts()
    assert (conflict.field, conflict.severity) == (field, severity)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"kl_target": 6.0, "kl_horizon": 100.0},
        {"kl_estimator": "k3"},
        {"missing_eos_penalty": 1.0},
        {"kl_coef": 0.0},
    ],
)
def test_options_that_go_together_are_not_told(values: dict[str, Any]) -> None:
    assert not list(Ppo(type="ppo", **values).conflicts())
