"""The two losses of PPO, per token.

Pure functions of tensors, all float[B, T]: B answers of T tokens each. `old_` is what the
model said before the first update of the round.
"""

from __future__ import annotations

from typing import Any

import torch

Tensor = Any
"""A torch tensor."""


def clipped_policy_loss(
    logps: Tensor, old_logps: Tensor, advantages: Tensor, *, low: float, high: float
) -> tuple[Tensor, Tensor]:
    """The loss whose gradient makes good tokens likelier, but not beyond the clip.

    -min(w * A, clip(w, 1 - low, 1 + high) * A) with w = p / p_old, arXiv 1707.06347,
    equation 7, where `low` and `high` are both epsilon. Also returns where the clip held the
    token back, bool[B, T]: there the gradient is zero.
    """
    ratio = torch.exp(logps - old_logps)
    free = -advantages * ratio
    held = -advantages * ratio.clamp(1 - low, 1 + high)
    return torch.maximum(free, held), held > free


def clipped_value_loss(
    values: Tensor, old_values: Tensor, returns: Tensor, *, cliprange: float | None
) -> tuple[Tensor, Tensor]:
    """Half the squared error of the values, which gain nothing by moving far in one round.

    max((V - R)^2, (clip(V, V_old - cliprange, V_old + cliprange) - R)^2) / 2; where
    `cliprange` is None it is L^VF of arXiv 1707.06347, equation 9, halved. Also returns
    where the clip held the value back, bool[B, T].

    Source: arXiv 2005.12729, section 3, "value function clipping"; the half is that of OpenAI
    baselines, `ppo2`.
    """
    free = (values - returns) ** 2
    if cliprange is None:
        return free / 2, torch.zeros_like(free, dtype=torch.bool)
    near = old_values + (values - old_values).clamp(-cliprange, cliprange)
    held = (near - returns) ** 2
    return torch.maximum(free, held) / 2, held > free
