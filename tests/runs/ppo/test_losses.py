"""The two losses, against numbers worked by hand and the gradient of REINFORCE."""

from __future__ import annotations

import math
from typing import Any

import pytest

pytestmark = pytest.mark.runs


# The clip is to [0.8, 1.3].
@pytest.mark.parametrize(
    ("ratio", "advantage", "expected", "clipped"),
    [
        pytest.param(1.0, 2.0, -2.0, False, id="unmoved"),
        pytest.param(1.5, 2.0, -2.6, True, id="good and far up: -1.3 * 2"),
        pytest.param(0.5, 2.0, -1.0, False, id="good and gone down: free, -0.5 * 2"),
        pytest.param(1.5, -2.0, 3.0, False, id="bad and gone up: free, 1.5 * 2"),
        pytest.param(0.5, -2.0, 1.6, True, id="bad and far down: 0.8 * 2"),
        pytest.param(1.25, 2.0, -2.5, False, id="good, inside the upper clip: -1.25 * 2"),
        pytest.param(0.9, -2.0, 1.8, False, id="bad, inside the lower clip: 0.9 * 2"),
        pytest.param(1.5, 0.0, 0.0, False, id="neither good nor bad"),
    ],
)
def test_policy_loss_is_the_one_worked_by_hand(
    ratio: float, advantage: float, expected: float, clipped: bool
) -> None:
    import torch

    from recipe_runner.execute.ppo.losses import clipped_policy_loss

    old = torch.tensor([[-1.5]], dtype=torch.float64)
    logps = (old + math.log(ratio)).requires_grad_()
    given = torch.tensor([[advantage]], dtype=torch.float64)
    loss, held = clipped_policy_loss(logps, old, given, low=0.2, high=0.3)
    assert loss.item() == pytest.approx(expected)
    assert held.item() is clipped
    # d(-w * A) / d(log p) = -w * A where the token is free.
    (gradient,) = torch.autograd.grad(loss.sum(), logps)
    assert gradient.item() == pytest.approx(0.0 if clipped else -ratio * advantage)


# The clip is 0.5 around the old value, 1.
@pytest.mark.parametrize(
    ("value", "target", "expected", "clipped"),
    [
        pytest.param(1.0, 3.0, 2.0, False, id="unmoved: (1 - 3)^2 / 2"),
        pytest.param(1.4, 3.0, 1.28, False, id="within the clip: (1.4 - 3)^2 / 2"),
        pytest.param(2.0, 3.0, 1.125, True, id="moved too far towards it: (1.5 - 3)^2 / 2"),
        pytest.param(2.0, 0.0, 2.0, False, id="moved too far away: (2 - 0)^2 / 2"),
        pytest.param(0.0, -1.0, 1.125, True, id="too far down towards it: (0.5 + 1)^2 / 2"),
        pytest.param(3.0, 1.6, 0.98, False, id="past it: (3 - 1.6)^2 / 2 is the worse"),
    ],
)
def test_value_loss_is_the_one_worked_by_hand(
    value: float, target: float, expected: float, clipped: bool
) -> None:
    import torch

    from recipe_runner.execute.ppo.losses import clipped_value_loss

    values = torch.tensor([[value]], dtype=torch.float64, requires_grad=True)
    old, returns = torch.ones_like(values), torch.full_like(values, target)
    loss, held = clipped_value_loss(values, old, returns, cliprange=0.5)
    assert loss.item() == pytest.approx(expected)
    assert held.item() is clipped
    (gradient,) = torch.autograd.grad(loss.sum(), values)
    assert gradient.item() == pytest.approx(0.0 if clipped else value - target)
    free, held = clipped_value_loss(values, old, returns, cliprange=None)
    assert free.item() == pytest.approx((value - target) ** 2 / 2)
    assert not held.any()


def test_before_the_first_update_the_gradient_is_that_of_reinforce() -> None:
    import torch

    from recipe_runner.execute.ppo.losses import clipped_policy_loss

    draw = torch.Generator().manual_seed(0)
    weights = torch.randn(6, 11, generator=draw, dtype=torch.float64, requires_grad=True)
    states = torch.randn(4, 5, 6, generator=draw, dtype=torch.float64)
    tokens = torch.randint(11, (4, 5, 1), generator=draw)
    advantages = torch.randn(4, 5, generator=draw, dtype=torch.float64)

    def logps() -> Any:
        return (states @ weights).log_softmax(-1).gather(2, tokens).squeeze(2)

    loss, held = clipped_policy_loss(logps(), logps().detach(), advantages, low=0.2, high=0.2)
    (ours,) = torch.autograd.grad(loss.mean(), weights)
    (reinforce,) = torch.autograd.grad(-(advantages * logps()).mean(), weights)
    torch.testing.assert_close(ours, reinforce)
    assert not held.any()
