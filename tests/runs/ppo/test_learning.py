"""PPO learns the toy's task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.runs.ppo import toy

pytestmark = [pytest.mark.runs, pytest.mark.slow]


@pytest.mark.parametrize("seed", [0, 1])
def test_reward_rises_far_above_chance(tmp_path: Path, seed: int) -> None:
    trainer = toy.trainer("ppo", toy.policy(tmp_path, seed), seed=seed, max_steps=120)
    trainer.train()
    rewards = toy.rewards(trainer)
    # 320 tokens a round: a standard deviation of 0.015 around chance.
    assert rewards[0] == pytest.approx(toy.CHANCE, abs=0.06)
    assert toy.means(rewards)[-1] > 0.6 * toy.MAXIMUM


def test_values_learn_to_expect_the_reward_of_a_prompt(tmp_path: Path) -> None:
    def digit_of_prompt(digit: list[str], **_: Any) -> list[float]:
        return [int(each) / 9 for each in digit]

    trainer = toy.trainer(
        "ppo",
        toy.policy(tmp_path),
        options={"vf_coef": 1.0},
        reward_funcs=[digit_of_prompt],
        max_steps=160,
    )
    trainer.train()
    explained = [
        row["value/explained_variance"]
        for row in trainer.state.log_history
        if "value/explained_variance" in row
    ]
    assert explained[0] == pytest.approx(0, abs=1e-6), "a head of zeros explains nothing"
    assert toy.means(explained)[-1] > 0.8
