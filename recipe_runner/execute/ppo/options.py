"""What PPO has to know beyond TRL's arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Options:
    """The options of `PPOTrainer`; their defaults are those of the recipe's `ppo`.

    `gamma` and `lam` weigh later tokens in returns and advantages, fractions in [0, 1].
    `kl_target` is in nats per answer, None where the weight of the distance stays as it is;
    `kl_horizon` is in answers. `vf_coef` weighs the value loss, `cliprange_value` is in units
    of the reward, None for no clip. `missing_eos_penalty` is taken off the score of an
    answer that broke off. `value_learning_rate` is that of the value head.
    """

    gamma: float
    lam: float
    kl_estimator: Literal["k1", "k3"]
    kl_target: float | None
    kl_horizon: float
    vf_coef: float
    cliprange_value: float | None
    value_learning_rate: float
    whiten_rewards: bool
    whiten_advantages: bool
    missing_eos_penalty: float
