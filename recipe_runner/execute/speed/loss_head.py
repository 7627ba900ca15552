"""The output head over tokens with a label, with the gradient taken in the forward pass.

Takes the place of `trl.kernels.ChunkedLogProbFunction` on devices without Triton, with the same
arguments and results. Source of the method: arXiv 2410.10989, section 3.2 (gradients of the
logits while these are there), and arXiv 2411.09009 (labelled tokens only).

N: tokens, V: words of the vocabulary, H: features of a token.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from recipe_runner.execute.speed.refused import Refused
from recipe_runner.plan import Plan

_TILE = 8 * 2**20
"""Logits that are there at once: 32 MiB in float32."""

_KEPT = 64 * 2**20
"""Logits whose gradients are kept for the backward pass: 256 MiB in float32. More are made again."""

_HEADS = ("trl.trainer.utils", "trl.trainer.distillation_trainer")
"""Where TRL leaves tokens without a label out of the head, if `_use_triton` says so."""

_COMPACTS, _FUNCTION = "_use_triton", "_ChunkedLogProbFunction"


@dataclass(frozen=True)
class _Logits:
    """How the head's products become logits: x scale, a soft cap, / temperature."""

    scale: float
    cap: float | None
    temperature: float
    dtype: torch.dtype

    def of(
        self, hidden: Tensor, weight: Tensor, bias: Tensor | None, room: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits [N, V] in float32, and their slope over the head's products.

        The products are written to `room`, where it is given.
        """
        products = torch.mm(hidden, weight.t(), out=room)
        if bias is not None:
            products = products + bias.to(products.dtype)
        logits = products.float()
        slope = torch.ones(()) * (self.scale / self.temperature)
        if self.scale != 1:
            logits = logits * self.scale
        if self.cap is not None:
            bent = torch.tanh(logits / self.cap)
            logits, slope = bent * self.cap, slope * (1 - bent * bent)
        if self.temperature != 1:
            logits = logits / self.temperature
        return logits, slope


class LabelledLogProbs(torch.autograd.Function):
    """Log-probabilities [N] of `targets` [N], and what else TRL asks for; see the module."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        logits: _Logits,
        outputs: tuple[str, ...],
        sums_up: bool | None,
    ) -> tuple[Tensor | None, ...]:
        """`sums_up` is True where all tokens will have one factor in the loss, None without a gradient."""
        ctx.set_materialize_grads(False)
        wide, small = weight.to(logits.dtype), hidden.to(logits.dtype)
        needs_hidden, needs_weight, needs_bias = (
            n and sums_up is not None for n in ctx.needs_input_grad[:3]
        )
        asked = tuple(name for name in _OPTIONAL if name in outputs)
        found: dict[str, list[Tensor]] = {
            name: [hidden.new_zeros(0, dtype=torch.bool if name == "is_top1" else torch.float32)]
            for name in ("log_probs", *asked)
        }
        ahead = torch.empty_like(small) if needs_hidden else None
        whole = torch.zeros(weight.shape, dtype=torch.float32) if needs_weight and sums_up else None
        aside = torch.zeros(len(weight), dtype=torch.float32) if needs_bias and sums_up else None
        keeps = needs_weight and not sums_up and len(small) * len(weight) <= _KEPT
        kept: list[Tensor] = []
        # New memory for every tile would have to be cleared by the system first.
        size = min(len(small), _rows(len(weight)))
        products = small.new_empty(size, len(weight))
        room = None if keeps else torch.empty(size, len(weight), dtype=torch.float32)
        for part in _parts(len(small), len(weight)):
            x, label = small[part], targets[part]
            z, slope = logits.of(x, wide, bias, products[: len(x)])
            chances = _statistics(
                z, label, outputs, found, None if room is None else room[: len(x)]
            )
            if needs_hidden or needs_weight or aside is not None:
                step = _towards(chances, label, slope).to(logits.dtype)
                if ahead is not None:
                    torch.mm(step, wide, out=ahead[part])
                if whole is not None:
                    _add_product(whole, step.t(), x)
                if aside is not None:
                    aside += step.sum(0, dtype=torch.float32)
                if keeps:
                    kept.append(step)
        made = {name: torch.cat(parts) for name, parts in found.items()}
        ctx.save_for_backward(small, weight, bias, targets, ahead, whole, aside, *kept)
        ctx.logits, ctx.types = logits, (hidden.dtype, weight.dtype)
        results = tuple(made.get(name) for name in ("log_probs", *_OPTIONAL))
        ctx.mark_non_differentiable(*(each for each in results[2:] if each is not None))
        return results

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        factors, spread = grads[:2]
        small, weight, bias, targets, ahead, whole, aside, *kept = ctx.saved_tensors
        needs = ctx.needs_input_grad[:3]
        of_hidden: Tensor | None = None
        of_weight: Tensor | None = None
        of_bias: Tensor | None = None
        if factors is None and spread is None:
            return (None,) * 7
        if factors is None or spread is not None:
            of_hidden, of_weight, of_bias = _again(
                ctx.logits, small, weight, bias, targets, factors, spread
            )
        elif not (needs[1] or needs[2]) or _is_one_factor(factors, whole, aside):
            of_hidden = ahead * factors[:, None] if needs[0] else None
            first = factors[0] if len(factors) else factors.sum()
            of_weight = whole * first if needs[1] else None
            of_bias = aside * first if aside is not None else None
        elif kept:
            of_hidden = ahead * factors[:, None] if needs[0] else None
            of_weight, of_bias = _of_kept(kept, small, factors, needs)
        else:
            of_hidden, of_weight, of_bias = _again(
                ctx.logits, small, weight, bias, targets, factors, None
            )
        hidden_type, weight_type = ctx.types
        return (
            of_hidden.to(hidden_type) if needs[0] and of_hidden is not None else None,
            of_weight.to(weight_type) if needs[1] and of_weight is not None else None,
            of_bias.to(weight_type) if needs[2] and of_bias is not None else None,
            *(None,) * 4,
        )


_OPTIONAL = ("entropy", "log_sum_sq_probs", "mean_logits", "is_top1")
"""What TRL may ask for beside the log-probabilities, in the order of its results."""


def _rows(words: int) -> int:
    """Tokens of a tile of logits."""
    return max(16, _TILE // words)


def _parts(tokens: int, words: int) -> Iterator[slice]:
    """Tokens whose logits are there at once."""
    size = _rows(words)
    yield from (slice(start, start + size) for start in range(0, tokens, size))


def _statistics(
    z: Tensor,
    label: Tensor,
    outputs: tuple[str, ...],
    found: dict[str, list[Tensor]],
    room: Tensor | None,
) -> Tensor:
    """Note what is asked for of logits `z` [N, V], which are used up; gives the probabilities.

    They are written to `room`, where it is given.
    """
    if "mean_logits" in outputs:
        found["mean_logits"].append(z.mean(-1))
    picked = z.gather(1, label[:, None])[:, 0]
    largest = z.amax(-1, keepdim=True)
    if "is_top1" in outputs:
        found["is_top1"].append(_is_first(z, label, picked == largest[:, 0], room))
    chances = torch.exp(z.sub_(largest), out=room)
    total = chances.sum(-1, keepdim=True)
    spread = total[:, 0].log()
    chances.div_(total)
    found["log_probs"].append(picked - largest[:, 0] - spread)
    if "entropy" in outputs:
        found["entropy"].append(spread - z.mul_(chances).sum(-1))
    if "log_sum_sq_probs" in outputs:
        found["log_sum_sq_probs"].append(torch.mul(chances, chances, out=z).sum(-1).log())
    return chances


def _is_first(z: Tensor, label: Tensor, largest: Tensor, room: Tensor | None) -> Tensor:
    """Where the label is what `argmax` names: of several largest logits it is one of them.

    Looks at the rows only in which the label's logit is a largest one; `room` is written over.
    """
    rows = largest.nonzero()[:, 0]
    space = None if room is None else room[: len(rows)]
    first = torch.index_select(z, 0, rows, out=space).argmax(-1)
    return largest.index_put((rows,), first == label[rows])


def _add_product(whole: Tensor, a: Tensor, b: Tensor) -> None:
    """Add the product of two matrices to `whole`, which may have more bits than they have."""
    if a.dtype == whole.dtype:
        whole.addmm_(a, b)
    else:
        whole += torch.mm(a, b)


def _towards(chances: Tensor, label: Tensor, slope: Tensor) -> Tensor:
    """The gradient of each log-probability over the head's products; `chances` are used up."""
    step = chances.neg_()
    step[torch.arange(len(label)), label] += 1
    return step if slope.dim() == 0 and slope == 1 else step * slope


def _is_one_factor(factors: Tensor, *made: Tensor | None) -> bool:
    """True where the sums over tokens that the forward pass has made are gradients but for a factor."""
    return any(each is not None for each in made) and bool((factors == factors[:1]).all())


def _of_kept(
    kept: list[Tensor], small: Tensor, factors: Tensor, needs: tuple[bool, ...]
) -> tuple[Tensor, Tensor | None]:
    words = kept[0].shape[1]
    of_weight = torch.zeros(words, small.shape[1], dtype=torch.float32)
    of_bias = torch.zeros(words, dtype=torch.float32) if needs[2] else None
    for part, step in zip(_parts(len(small), words), kept, strict=True):
        scaled = step * factors[part, None].to(step.dtype)
        _add_product(of_weight, scaled.t(), small[part])
        if of_bias is not None:
            of_bias += scaled.sum(0, dtype=torch.float32)
    return of_weight, of_bias


def _again(
    logits: _Logits,
    small: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    factors: Tensor | None,
    spread: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of hidden states, weight and bias from logits that are made a second time.

    `spread` is the gradient of the entropies: d entropy / d z_j = -p_j (log p_j + entropy).
    """
    wide = weight.to(logits.dtype)
    of_hidden = torch.empty_like(small)
    of_weight = torch.zeros(weight.shape, dtype=torch.float32)
    of_bias = torch.zeros(len(weight), dtype=torch.float32)
    for part in _parts(len(small), len(weight)):
        z, slope = logits.of(small[part], wide, bias)
        log = z - z.logsumexp(-1, keepdim=True)
        chances = log.exp()
        step = torch.zeros_like(z)
        if spread is not None:
            entropy = -torch.linalg.vecdot(chances, log)[:, None]
            step -= spread[part, None] * chances * (log + entropy)
        if factors is not None:
            step += factors[part, None] * _towards(chances, targets[part], torch.ones(()))
        step = (step * slope).to(logits.dtype)
        torch.mm(step, wide, out=of_hidden[part])
        _add_product(of_weight, step.t(), small[part])
        of_bias += step.sum(0, dtype=torch.float32)
    return of_hidden, of_weight, of_bias


@dataclass
class Head:
    """What TRL calls as an autograd function; counts the tokens, and the passes of either head."""

    sums_up: bool
    scored: int = 0
    passes: int = 0

    def leaves_out(self, device: torch.device) -> bool:
        """True: tokens without a label are left out on any device."""
        del device
        self.passes += 1
        return True

    def __str__(self) -> str:
        if not self.passes:
            return ""
        scored = f", {self.scored:,} tokens were scored" if self.scored else ""
        return f"{self.passes:,} passes without the tokens that have no label{scored}"

    def apply(
        self,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        temperature: float,
        chunk_size: int,
        final_logit_softcapping: float | None = None,
        logit_scale: float = 1.0,
        outputs: tuple[str, ...] = _OPTIONAL,
    ) -> tuple[Tensor | None, ...]:
        """The results of `trl.kernels.ChunkedLogProbFunction`; `chunk_size` is its own."""
        del chunk_size
        self.scored += len(targets)
        device = hidden.device.type
        mixed = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if mixed else hidden.dtype
        logits = _Logits(logit_scale, final_logit_softcapping, temperature, dtype)
        # Within the function gradients are off in any case.
        sums_up = self.sums_up if torch.is_grad_enabled() else None
        with torch.autocast(device, enabled=False):
            found: tuple[Tensor | None, ...] = LabelledLogProbs.apply(
                hidden, weight, bias, targets, logits, outputs, sums_up
            )
        return found


def put_on(plan: Plan, trainer: Any, stack: contextlib.ExitStack) -> Callable[[], str]:
    """Take the place of TRL's head. Raises `Refused` on a GPU, where Triton has a better one."""
    if trainer.args.device.type != "cpu":
        raise Refused("the run computes on a GPU")
    # All tokens of a pass have one factor in this loss; a guess that is looked at.
    sums_up = plan.arguments.arguments.get("loss_type") == "nll"
    head = stack.enter_context(installed(sums_up=sums_up))
    return head.__str__


@contextlib.contextmanager
def installed(*, sums_up: bool) -> Iterator[Head]:
    """Within it, TRL's heads are this one; `sums_up` is a guess, which is looked at.

    Source: `trl.trainer.utils.add_fused_lm_head` of TRL 1.16.
    """
    modules = [sys.modules[name] for name in _HEADS if name in sys.modules]
    before = [(each, name, value) for each in modules for name, value in _names(each)]
    head = Head(sums_up)
    for module in modules:
        setattr(module, _COMPACTS, head.leaves_out)
        if hasattr(module, _FUNCTION):
            setattr(module, _FUNCTION, head)
    try:
        yield head
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def _names(module: ModuleType) -> Iterator[tuple[str, Any]]:
    for name in (_COMPACTS, _FUNCTION):
        if hasattr(module, name):
            yield name, getattr(module, name)
