"""Compares a module as it is with its replacement on a few random tokens, forwards and backwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

TOKENS = 24

APART: Mapping[torch.dtype, float] = {
    torch.float32: 1e-4,
    torch.float16: 5e-3,
    torch.bfloat16: 2e-2,
}
"""How far results may be apart, by the root mean square, in parts of their own.

Half of the bits of float32; four roundings of the other two.
"""


@dataclass(frozen=True)
class Tried:
    """How a module is tried: the features and the type of a token of its input, and what it runs in.

    `rounding` is the coarsest type that it computes in. Parameters with `shaken` in their name get
    other numbers meanwhile.
    """

    size: int
    kind: torch.dtype
    rounding: torch.dtype
    computing: Callable[[], AbstractContextManager[Any]]
    shaken: str


def difference(
    module: Any, forward: Callable[..., Tensor], tried: Tried
) -> tuple[float, str | None]:
    """How far `module` is apart from itself when it computes by `forward`, and what, if it is too much.

    No random number of the run is drawn, and no gradient is left.
    """
    usual = _computed(module, tried)
    with replaced(module, forward):
        ours = _computed(module, tried)
    if usual.keys() != ours.keys():
        return 1.0, f"only one has {', '.join(usual.keys() ^ ours.keys())}"
    worst, bound = 0.0, APART[tried.rounding]
    for name, one in usual.items():
        other = ours[name]
        if (one.dtype, one.shape) != (other.dtype, other.shape):
            return 1.0, f"{name} is {other.dtype} {[*other.shape]}, not {one.dtype} {[*one.shape]}"
        apart = _apart(one.float(), other.float())
        # What is no number is not within the bound.
        if not apart <= bound:
            return apart, f"{name} is {apart:.1e} apart"
        worst = max(worst, apart)
    return worst, None


@contextmanager
def replaced(module: Any, forward: Callable[..., Tensor]) -> Iterator[None]:
    """Within it, `module` computes by `forward`."""
    module.forward = forward
    try:
        yield
    finally:
        del module.forward


def _computed(module: Any, tried: Tried) -> dict[str, Tensor]:
    """The result for random tokens, and the gradients of all that trains, by their names."""
    source = torch.Generator().manual_seed(0)
    parameters = dict(module.named_parameters())
    device = next(iter(parameters.values())).device

    def drawn(shape: torch.Size) -> Tensor:
        return torch.randn(shape, generator=source).to(device)

    def shaken(each: Tensor) -> Tensor:
        return (each.detach().float() + drawn(each.shape) * each.shape[-1] ** -0.5).to(each.dtype)

    values = {n: shaken(each) for n, each in parameters.items() if tried.shaken in n}
    given = {**parameters, **values}
    trained = {
        n: given[n].detach().requires_grad_() for n, p in parameters.items() if p.requires_grad
    }
    x = drawn(torch.Size((2, TOKENS // 2, tried.size))).to(tried.kind).requires_grad_()
    # Both have to drop the same numbers, and the run none.
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.enable_grad(), tried.computing():
        torch.manual_seed(0)
        y = torch.func.functional_call(module, {**values, **trained}, (x,))
    above = drawn(y.shape).to(y.dtype)
    found = torch.autograd.grad(y, [x, *trained.values()], above, allow_unused=True)
    named = {
        "the result": y.detach(),
        "the gradient of the input": found[0],
        **{f"that of {name}": each for name, each in zip(trained, found[1:], strict=True)},
    }
    return {name: each for name, each in named.items() if each is not None}


def _apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm()) / (float(one.norm()) or 1.0)
