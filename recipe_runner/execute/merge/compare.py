"""Compares the merged model with base and adapter, by their logits on sample prompts.

Both are computed in float32, layer by layer, whatever type their weights have: what remains
of a difference is the rounding of the merged weights. Nothing but the layer that is being
computed is held in memory.

Legend of shapes: B prompts, T tokens of each, V words of the vocabulary.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_runner.execute.codes.merge import MERGE_DIFFERS
from recipe_runner.execute.fault import fault
from recipe_runner.execute.merge.mapped import Mapped
from recipe_runner.execute.merge.prompts import Prompts
from recipe_runner.execute.merge.units import adapted

TOLERANCE = {"float32": 1e-3, "float16": 0.02, "bfloat16": 0.1}
"""How far logits may be apart, as a part of their spread, by the type of the merged weights.

Rounding moves a weight by up to 2^-24, 2^-11 or 2^-8 of itself, at random, and each of some
hundred products in a row adds to it: with bfloat16 0.01 to 0.03 were seen, a tenth of that
with float16. What remains is room for deeper models. A wrong merge is off by what the
adapter does, which is told beside it.
"""


@dataclass(frozen=True)
class Compared:
    """How far the logits of the merged model are from those of base and adapter.

    `largest` is the largest difference, `error` the root mean square of differences, and
    `effect` that of what the adapter changes, both as parts of the logits' `spread`, their
    standard deviation. `prompts` were compared, of `tokens` tokens together.
    """

    largest: float
    error: float
    effect: float
    spread: float
    tolerance: float
    prompts: int
    tokens: int

    @property
    def drowned(self) -> bool:
        """True where rounding moves the logits more than the adapter does."""
        return 0 < self.effect < self.error


@dataclass(frozen=True)
class Expected:
    """Logits of the base alone and with its adapter, float32[B, T, V]."""

    base: Any
    adapted: Any


def expected(model: Any, mapped: Mapped, prompts: Prompts) -> Expected:
    """What the merged model has to answer: the logits of PEFT's `model`."""
    with model.disable_adapter():
        base = logits(model, mapped, prompts)
    return Expected(base, logits(model, mapped, prompts))


def logits(model: Any, mapped: Mapped, prompts: Prompts) -> Any:
    """The logits of `model`: float32[B, T, V], or [B, labels] of a classifier."""
    import torch

    with torch.no_grad(), _layer_by_layer(model, mapped):
        answers = model(input_ids=prompts.ids, attention_mask=torch.ones_like(prompts.ids))
    return answers.logits.to(torch.float32)


def demand_equal(
    found: Any, wanted: Expected, prompts: Prompts, dtype: str, where: Path
) -> Compared:
    """Compare, and report RR731 where the difference is more than rounding explains."""
    import torch

    spread = float(wanted.adapted.std()) or 1.0
    apart = found - wanted.adapted
    compared = Compared(
        largest=float(apart.abs().max()),
        error=float(apart.square().mean().sqrt()) / spread,
        effect=float((wanted.adapted - wanted.base).square().mean().sqrt()) / spread,
        spread=spread,
        tolerance=TOLERANCE.get(dtype, TOLERANCE["bfloat16"]),
        prompts=prompts.ids.shape[0],
        tokens=prompts.ids.numel(),
    )
    if bool(torch.isfinite(found).all()) and compared.error <= compared.tolerance:
        return compared
    raise fault(
        MERGE_DIFFERS,
        where,
        f"merged in {dtype}, the model is not what was trained: its logits differ by up to "
        f"{compared.largest:.3g}, and {compared.error:.2g} of their spread where {dtype} explains "
        f"{compared.tolerance:g}",
        "nothing was kept; merge with --dtype float32, or in the type that the run loaded its base in",
    )


@contextlib.contextmanager
def _layer_by_layer(model: Any, mapped: Mapped) -> Iterator[None]:
    """Has each layer compute in float32, and gives its memory back after that."""
    layers = adapted(model)
    inside = {id(module) for layer in layers.values() for module in layer.modules()}
    whole = {id(layer) for layer in layers.values()}
    handles = []
    for module in model.modules():
        if id(module) in inside and id(module) not in whole:
            continue
        parts = list(module.modules()) if id(module) in whole else [module]
        if any(part._parameters for part in parts):
            widened = _Widened(parts, mapped)
            handles.append(module.register_forward_pre_hook(widened.enter))
            handles.append(module.register_forward_hook(widened.leave, always_call=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Widened:
    """Hooks that put weights in float32 in the place of others while a layer computes."""

    def __init__(self, parts: list[Any], mapped: Mapped) -> None:
        self._parts, self._mapped = parts, mapped
        self._own: list[tuple[dict[str, Any], str, Any]] = []

    def enter(self, module: Any, inputs: Any) -> None:
        import torch

        for part in self._parts:
            for held in (part._parameters, part._buffers):
                for name, value in list(held.items()):
                    if value is None or not value.dtype.is_floating_point:
                        continue
                    if value.dtype == torch.float32:
                        continue
                    self._own.append((held, name, value))
                    wide = value.detach().float()
                    is_weight = isinstance(value, torch.nn.Parameter)
                    held[name] = torch.nn.Parameter(wide, False) if is_weight else wide

    def leave(self, module: Any, inputs: Any, output: Any) -> None:
        # Last in, first out: what was replaced twice gets back what it was at first.
        while self._own:
            held, name, value = self._own.pop()
            held[name] = value
        self._mapped.give_back()
