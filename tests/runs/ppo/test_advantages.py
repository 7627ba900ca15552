"""From scores to advantages, against numbers worked by hand and closed forms."""

from __future__ import annotations

import math
from typing import Any

import pytest

pytestmark = pytest.mark.runs


def row(*numbers: float) -> Any:
    import torch

    return torch.tensor([numbers], dtype=torch.float64)


def inside(*flags: int) -> Any:
    import torch

    return torch.tensor([flags]).bool()


# gamma = lambda = 1/2, rewards 1, 0, 2 and values 1/2, 1, -1:
#   delta_2 = 2 + 1/2 * 0 + 1      = 3       A_2 = 3
#   delta_1 = 0 + 1/2 * (-1) - 1   = -3/2    A_1 = -3/2 + 1/4 * 3      = -3/4
#   delta_0 = 1 + 1/2 * 1 - 1/2    = 1       A_0 = 1 + 1/4 * (-3/4)    = 13/16
BY_HAND = (13 / 16, -3 / 4, 3)


@pytest.mark.parametrize(
    ("mask", "places"),
    [
        pytest.param((1, 1, 1), (0, 1, 2), id="whole"),
        pytest.param((1, 1, 1, 0, 0), (0, 1, 2), id="padded on the right"),
        pytest.param((0, 1, 1, 1), (1, 2, 3), id="padded on the left"),
        pytest.param((1, 0, 1, 0, 1), (0, 2, 4), id="with tokens of others between"),
    ],
)
def test_advantages_are_those_worked_by_hand_wherever_the_tokens_stand(
    mask: tuple[int, ...], places: tuple[int, ...]
) -> None:
    from recipe_runner.execute.ppo.advantages import generalized_advantages

    rewards, values, expected = (row(*[0.0] * len(mask)) for _ in range(3))
    values += 77.0  # never read outside the mask
    rewards -= 55.0
    for place, reward, value, advantage in zip(
        places, (1, 0, 2), (0.5, 1, -1), BY_HAND, strict=True
    ):
        rewards[0, place], values[0, place], expected[0, place] = reward, value, advantage
    found = generalized_advantages(rewards, values, inside(*mask), gamma=0.5, lam=0.5)
    assert found.tolist() == expected.tolist()


def test_answers_of_a_batch_do_not_touch_each_other() -> None:
    import torch

    from recipe_runner.execute.ppo.advantages import generalized_advantages

    # The second answer has one token: A = 4 - 3.
    rewards, values = row(1, 0, 2), row(0.5, 1, -1)
    batch = torch.cat([rewards, row(4, 9, 9)]), torch.cat([values, row(3, 9, 9)])
    mask = torch.cat([inside(1, 1, 1), inside(1, 0, 0)])
    found = generalized_advantages(*batch, mask, gamma=0.5, lam=0.5)
    assert found.tolist() == [list(BY_HAND), [1, 0, 0]]


def random_round() -> tuple[Any, Any, Any]:
    """Rewards, values and a mask of five answers of up to nine tokens."""
    import torch

    draw = torch.Generator().manual_seed(3)
    rewards, values = torch.randn(2, 5, 9, generator=draw, dtype=torch.float64)
    lengths = torch.tensor([9, 7, 4, 1, 0])
    return rewards, values, torch.arange(9)[None] < lengths[:, None]


def test_lambda_one_gives_discounted_returns_minus_values() -> None:
    import torch

    from recipe_runner.execute.ppo.advantages import generalized_advantages

    rewards, values, mask = random_round()
    found = generalized_advantages(rewards, values, mask, gamma=0.9, lam=1.0)
    expected = torch.zeros_like(values)
    for answer, length in enumerate(mask.sum(1).tolist()):
        for t in range(length):
            later = sum(0.9 ** (k - t) * rewards[answer, k] for k in range(t, length))
            expected[answer, t] = later - values[answer, t]
    torch.testing.assert_close(found, expected)


def test_lambda_zero_gives_the_errors_of_one_step() -> None:
    import torch

    from recipe_runner.execute.ppo.advantages import generalized_advantages

    rewards, values, mask = random_round()
    found = generalized_advantages(rewards, values, mask, gamma=0.9, lam=0.0)
    kept = torch.where(mask, values, 0.0)
    after = torch.nn.functional.pad(kept[:, 1:], (0, 1))
    torch.testing.assert_close(found, torch.where(mask, rewards + 0.9 * after - values, 0.0))


def test_last_token_earns_the_score_and_every_token_pays_for_its_distance() -> None:
    import torch

    from recipe_runner.execute.ppo.advantages import token_rewards

    kl = torch.tensor([[1.0, 2.0, -4.0, 9.0], [3.0, 9.0, 9.0, 9.0], [9.0, 9.0, 9.0, 9.0]])
    mask = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]).bool()
    found = token_rewards(torch.tensor([10.0, 5.0, 7.0]), kl, mask, 0.5)
    assert found.tolist() == [[-0.5, -1.0, 12.0, 0.0], [3.5, 0.0, 0.0, 0.0], [0.0] * 4]


def test_both_estimates_of_the_distance_follow_their_formulas() -> None:
    from recipe_runner.execute.ppo.advantages import token_kl

    # The policy finds the token twice as likely as the reference, then half as likely.
    logps, reference = row(math.log(0.5), math.log(0.25)), row(math.log(0.25), math.log(0.5))
    two = math.log(2)
    assert token_kl(logps, reference, "k1")[0].tolist() == pytest.approx([two, -two])
    # 1/2 - 1 + log 2, and 2 - 1 - log 2
    assert token_kl(logps, reference, "k3")[0].tolist() == pytest.approx([two - 0.5, 1 - two])


def test_estimates_of_the_distance_have_its_mean() -> None:
    import torch

    from recipe_runner.execute.ppo.advantages import token_kl

    policy, reference = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.3, 0.3, 0.4])
    true = (policy * (policy / reference).log()).sum()
    for estimator in ("k1", "k3"):
        tokens = token_kl(policy.log()[None], reference.log()[None], estimator)
        torch.testing.assert_close((policy * tokens[0]).sum(), true)


# With 100 answers per 1000 of the horizon, K = 0.1 as in the paper.
@pytest.mark.parametrize(
    ("kl", "expected"),
    [
        pytest.param(6.0, 0.05, id="at the target"),
        pytest.param(5.4, 0.0495, id="a tenth below: 0.05 * (1 - 0.1 * 0.1)"),
        pytest.param(6.9, 0.05075, id="0.15 above: 0.05 * (1 + 0.1 * 0.15)"),
        pytest.param(12.0, 0.051, id="far above, cut at 0.2: 0.05 * (1 + 0.1 * 0.2)"),
        pytest.param(-3.0, 0.049, id="far below, cut at -0.2: 0.05 * (1 - 0.1 * 0.2)"),
    ],
)
def test_weight_of_the_distance_adapts_as_published(kl: float, expected: float) -> None:
    from recipe_runner.execute.ppo.advantages import next_kl_coef

    found = next_kl_coef(0.05, kl, target=6.0, answers=100, horizon=1000.0)
    assert found == pytest.approx(expected, abs=1e-12)


def test_whitening_gives_mean_zero_and_variance_one_inside_the_mask() -> None:
    from recipe_runner.execute.ppo.advantages import whiten

    # The mean of 1, 3 and 5 is 3, their variance 8/3.
    x, mask = row(1, 3, 99, 5), inside(1, 1, 0, 1)
    step = 2 / math.sqrt(8 / 3)
    assert whiten(x, mask)[0].tolist() == pytest.approx([-step, 0, 0, step])
    unshifted = whiten(x, mask, shift=False)[0].tolist()
    assert unshifted == pytest.approx([3 - step, 3, 0, 3 + step])


def test_whitening_of_a_constant_and_of_nothing_is_finite() -> None:
    from recipe_runner.execute.ppo.advantages import whiten

    assert whiten(row(2, 2), inside(1, 1)).tolist() == [[0, 0]]
    assert whiten(row(2, 2), inside(0, 0)).tolist() == [[0, 0]]


def test_a_process_whitens_with_the_answers_of_all() -> None:
    import torch

    from recipe_runner.execute.ppo.advantages import whiten

    # This process has 1 and 3, another one has 5: its sum and count, then its (5 - 3)^2.
    others = iter([row(5, 1)[0], torch.tensor(4.0, dtype=torch.float64)])
    found = whiten(row(1, 3), inside(1, 1), total=lambda ours: ours + next(others))
    step = 2 / math.sqrt(8 / 3)
    assert found[0].tolist() == pytest.approx([-step, 0])
