"""From scores to advantages: what PPO works out once for each round of answers.

Pure functions of tensors. Shapes: B answers of T tokens each, padded. A `mask` is True at
the tokens that the policy wrote; what stands elsewhere is never read, and may be anything
finite. A `total` adds a tensor up over all processes, and is the identity on one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch

Tensor = Any
"""A torch tensor."""

Total = Callable[[Tensor], Tensor]

_STEP = 0.2
_TINY = 1e-8


def _alone(tensor: Tensor) -> Tensor:
    return tensor


def token_kl(logps: Tensor, reference: Tensor, estimator: Literal["k1", "k3"]) -> Tensor:
    """Estimate the distance to the reference at each token that was drawn, in nats.

    `logps` and `reference` are float[B, T], log-probabilities of the same tokens. `k1` is
    their difference, whose sum over an answer is the log-ratio of arXiv 1909.08593,
    equation 2. `k3` has the same mean, less variance, and is never negative.

    Source: J. Schulman, "Approximating KL Divergence" (2020), for both names.
    """
    ratio = logps - reference
    return ratio if estimator == "k1" else torch.exp(-ratio) - 1 + ratio


def token_rewards(scores: Tensor, kl: Tensor, mask: Tensor, kl_coef: float) -> Tensor:
    """Spread the score of an answer and its distance to the reference over its tokens.

    Each token costs `kl_coef` times its `kl`, float[B, T], and the last one earns the score,
    float[B]; the sum over an answer is R(x, y) of arXiv 1909.08593, equation 2, and the
    reward of 2203.02155, equation 2. Returns float[B, T], 0 outside the mask.
    """
    still_to_come = mask.flip(1).cumsum(1).flip(1)
    last = mask & (still_to_come == 1)
    earned = torch.where(last, scores[:, None], 0.0)
    return torch.where(mask, earned - kl_coef * kl, 0.0)


def generalized_advantages(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, lam: float
) -> Tensor:
    """Estimate how much better each token was than expected.

    A_t = sum over l of (gamma * lam)^l * delta_(t+l), arXiv 1506.02438, equation 16, with
    delta_t = r_t + gamma * V(s_(t+1)) - V(s_t) and V = 0 after the last token. `values` are
    V(s_t), of the state in which token t was chosen. Tokens outside the mask are no steps:
    the next step is the next token inside. All are [B, T]; A is 0 outside the mask.
    """
    advantages = torch.zeros_like(values)
    following = torch.zeros_like(values[:, 0])  # A_(t+1)
    value_after = torch.zeros_like(values[:, 0])  # V(s_(t+1))
    for t in reversed(range(values.shape[1])):
        here = mask[:, t]
        delta = rewards[:, t] + gamma * value_after - values[:, t]
        following = torch.where(here, delta + gamma * lam * following, following)
        value_after = torch.where(here, values[:, t], value_after)
        advantages[:, t] = torch.where(here, following, 0.0)
    return advantages


def next_kl_coef(
    kl_coef: float, kl: float, *, target: float, answers: int, horizon: float
) -> float:
    """Adapt the weight of the distance to the reference to the distance of this round.

    e = clip((kl - target) / target, -0.2, 0.2) and kl_coef * (1 + K * e), the controller of
    arXiv 1909.08593, section 2.2. `kl` and `target` are nats per answer. K is `answers` of
    this round per `horizon`, so that how fast it adapts does not depend on the batch.

    Source for K: OpenAI's lm-human-preferences, `AdaptiveKLController`.
    """
    error = min(max((kl - target) / target, -_STEP), _STEP)
    return kl_coef * (1 + error * answers / horizon)


def mean_and_variance(x: Tensor, mask: Tensor, total: Total = _alone) -> tuple[Tensor, Tensor]:
    """The mean and the (biased) variance inside the mask, over all processes; 0 where it is empty."""
    inside = torch.where(mask, x, 0.0)
    summed, count = total(torch.stack([inside.sum(), mask.sum().to(x.dtype)]))
    count = count.clamp(min=1)
    mean = summed / count
    return mean, total((torch.where(mask, x - mean, 0.0) ** 2).sum()) / count


def whiten(x: Tensor, mask: Tensor, *, shift: bool = True, total: Total = _alone) -> Tensor:
    """Scale to a variance of 1 inside the mask, and shift to a mean of 0 unless `shift` is off.

    float[B, T], 0 outside the mask. Source: lm-human-preferences, `whiten`.
    """
    mean, variance = mean_and_variance(x, mask, total)
    scaled = (x - mean) * torch.rsqrt(variance + _TINY)
    return torch.where(mask, scaled if shift else scaled + mean, 0.0)
