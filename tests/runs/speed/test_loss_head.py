"""The loss head against TRL's own, and against the closed form in double precision."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.runs

ALL = ("entropy", "log_sum_sq_probs", "mean_logits", "is_top1")


def results(function: Any, kind: str, **options: Any) -> tuple[list[Any], list[Any]]:
    """What a head gives for fixed inputs, and the gradients of a loss of it."""
    import torch

    dtype = options.pop("dtype", torch.float32)
    bias = options.pop("bias", False)
    torch.manual_seed(0)
    hidden = torch.randn(37, 16).to(dtype).requires_grad_()
    weight = (torch.randn(300, 16) / 4).to(dtype).requires_grad_()
    added = torch.randn(300).to(dtype).requires_grad_() if bias else None
    targets = torch.randint(0, 300, (37,))
    given = {"temperature": 1.0, "cap": None, "scale": 1.0, **options}
    found = function.apply(
        hidden, weight, added, targets, given["temperature"], 128, given["cap"], given["scale"], ALL
    )
    ramp = torch.linspace(-1, 1, 37).to(found[0].dtype)
    if kind == "sum":
        loss = -found[0].sum() / 7
    elif kind == "differently":
        loss = (found[0] * ramp).sum()
    else:
        loss = (found[0] * ramp).sum() + (found[1] * ramp.flip(0)).sum()
    loss.backward()
    gradients = [hidden.grad, weight.grad, *([added.grad] if added is not None else [])]
    return list(found), gradients


@pytest.mark.parametrize("sums_up", [True, False], ids=["guessed a sum", "guessed none"])
@pytest.mark.parametrize("kind", ["sum", "differently", "entropy"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bias": True},
        {"temperature": 0.7, "scale": 1.3},
        {"cap": 5.0, "scale": 0.5, "bias": True},
    ],
    ids=["plain", "bias", "scaled", "capped"],
)
def test_results_and_gradients_are_those_of_trl(
    options: dict[str, Any], kind: str, sums_up: bool
) -> None:
    import torch
    from trl.kernels import ChunkedLogProbFunction

    from recipe_runner.execute.speed.loss_head import Head

    theirs, their_gradients = results(ChunkedLogProbFunction, kind, **options)
    head = Head(sums_up)
    ours, our_gradients = results(head, kind, **options)
    for a, b in zip((*theirs, *their_gradients), (*ours, *our_gradients), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert head.scored == 37


@pytest.mark.parametrize("sums_up", [True, False])
def test_of_several_largest_logits_the_first_is_the_best(sums_up: bool) -> None:
    import torch
    from trl.kernels import ChunkedLogProbFunction

    from recipe_runner.execute.speed.loss_head import Head

    # Words 1 and 3 have equal logits, and the larger ones of the two kinds of tokens.
    weight = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], requires_grad=True)
    hidden = torch.tensor([[2.0, 0.0]] * 4 + [[0.0, 2.0]] * 4, requires_grad=True)
    targets = torch.tensor([0, 1, 2, 3] * 2)
    found = [
        dict(zip(("log_probs", *ALL), each, strict=True))["is_top1"].tolist()
        for each in (
            function.apply(hidden, weight, None, targets, 1.0, 64, None, 1.0, ALL)
            for function in (ChunkedLogProbFunction, Head(sums_up))
        )
    ]
    assert found[0] == found[1] == [False, True, False, False, False, False, True, False]


def test_sums_over_many_words_are_as_good_as_those_of_trl() -> None:
    import torch

    from recipe_runner.execute.speed.loss_head import Head

    torch.manual_seed(0)
    hidden, weight = torch.randn(4, 16), torch.randn(150_000, 16)
    targets = torch.randint(0, 150_000, (4,))
    found = dict(
        zip(
            ("log_probs", *ALL),
            Head(True).apply(hidden, weight, None, targets, 1.0, 64, None, 1.0, ALL),
            strict=True,
        )
    )
    told, total = found["entropy"], found["log_sum_sq_probs"]
    assert told is not None
    assert total is not None
    logs = torch.log_softmax(hidden.double() @ weight.double().t(), -1)
    entropy, squares = -(logs.exp() * logs).sum(-1), (2 * logs).exp().sum(-1).log()
    torch.testing.assert_close(told.double(), entropy, rtol=2e-6, atol=0)
    torch.testing.assert_close(total.double(), squares, rtol=0, atol=3e-6)


def test_the_plan_counts_with_the_same_tiles() -> None:
    from recipe_runner.compiler.estimate import loss
    from recipe_runner.execute.speed import loss_head

    assert (loss.ONCE, loss.KEPT) == (loss_head._TILE, loss_head._KEPT)


@pytest.mark.parametrize("tile", [64, 5000, 10**6])
@pytest.mark.parametrize("kept", [0, 10**6], ids=["made again", "kept"])
@pytest.mark.parametrize("sums_up", [True, False])
def test_tiles_change_nothing(
    tile: int, kept: int, sums_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from recipe_runner.execute.speed import loss_head

    kind = "sum" if sums_up else "differently"
    whole = results(loss_head.Head(sums_up), kind)
    monkeypatch.setattr(loss_head, "_TILE", tile)
    monkeypatch.setattr(loss_head, "_KEPT", kept)
    parts = results(loss_head.Head(sums_up), kind)
    for a, b in zip((*whole[0], *whole[1]), (*parts[0], *parts[1]), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_the_closed_form_in_double_precision() -> None:
    import torch

    from recipe_runner.execute.speed.loss_head import Head

    torch.manual_seed(0)
    hidden = torch.randn(9, 8, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(50, 8, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(0, 50, (9,))
    log_probs = Head(True).apply(hidden, weight, None, targets, 1.0, 64, outputs=())[0]
    assert log_probs is not None
    (-log_probs.mean()).backward()
    expected = torch.log_softmax(hidden.detach() @ weight.detach().t(), -1)
    picked = expected.gather(1, targets[:, None])[:, 0]
    torch.testing.assert_close(log_probs.double(), picked, rtol=1e-5, atol=1e-6)
    # d(-mean log p) / d hidden = mean over tokens of (p - one-hot) W
    step = expected.exp() - torch.nn.functional.one_hot(targets, 50)
    torch.testing.assert_close(hidden.grad, step @ weight.detach() / 9, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(weight.grad, step.t() @ hidden.detach() / 9, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sums_up", [True, False])
@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
def test_a_bias_that_trains_alone(sums_up: bool, even: bool, frozen: bool) -> None:
    import torch
    from trl.kernels import ChunkedLogProbFunction

    from recipe_runner.execute.speed.loss_head import Head

    torch.manual_seed(0)
    hidden, weight = torch.randn(9, 8, requires_grad=not frozen), torch.randn(50, 8)
    targets = torch.randint(0, 50, (9,))
    factors = torch.ones(9) if even else torch.linspace(-1, 1, 9)
    found = []
    for function in (ChunkedLogProbFunction, Head(sums_up)):
        bias = torch.zeros(50, requires_grad=True)
        result = function.apply(hidden, weight, bias, targets, 1.0, 64, None, 1.0, ())[0]
        (result * factors).sum().backward()
        found.append(bias.grad)
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-6)


def test_no_label_is_a_loss_of_zero_with_a_gradient() -> None:
    import torch

    from recipe_runner.execute.speed.loss_head import Head

    hidden = torch.randn(4, 8, requires_grad=True)
    weight = torch.randn(50, 8, requires_grad=True)
    none = torch.zeros(4, dtype=torch.bool)
    targets = torch.zeros(0, dtype=torch.long)
    found = Head(True).apply(hidden[none], weight, None, targets, 1.0, 64)[0]
    assert found is not None
    found.sum().backward()
    assert hidden.grad is not None
    assert weight.grad is not None
    assert not hidden.grad.any()
    assert not weight.grad.any()


def test_the_head_of_trl_is_back_afterwards() -> None:
    import trl.trainer.utils as upstream

    from recipe_runner.execute.speed.loss_head import Head, installed

    before = upstream._ChunkedLogProbFunction, upstream._use_triton
    with installed(sums_up=True) as head:
        assert upstream._ChunkedLogProbFunction is head
        assert isinstance(head, Head)
    assert (upstream._ChunkedLogProbFunction, upstream._use_triton) == before
