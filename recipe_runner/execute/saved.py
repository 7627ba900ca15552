"""Measures what the forward pass keeps for the backward pass, on tensors without content.

The model is made from its configuration as fake tensors, which have a device, a shape and a type,
and no memory. Autograd says which of them it keeps. Two depths and two lengths tell what a layer
and a token add, so that a model of any size is traced in seconds.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from recipe_runner.execute import fake
from recipe_runner.execute.speed.fused_layers import put_on_fakes
from recipe_runner.plan import Plan

_DEPTHS = (2, 4)
_LENGTHS = (256, 512)


@dataclass(frozen=True)
class Saved:
    """Bytes that are kept: per token in a layer, per layer whatever its tokens, per token beside.

    What a layer keeps of its weights are copies in the type of the products. `rest` is what the
    last norm and the rotations keep; the loss is not traced.
    """

    layer: float
    copies: float
    rest: float


def saved(
    plan: Plan,
    *,
    casts_inputs: bool = True,
    keeps_less: bool = False,
    attention: str = fake.FUSED,
) -> Saved:
    """Trace the plan's model with its adapter, with an `attention` of `fake`.

    `casts_inputs` is False where adapted layers take their inputs as they are, `keeps_less` True
    where norms, gates and LoRA are fused. The bases of quantized models have no fake tensors: they
    count as whole, in the type of the computation.
    """
    found = {
        (depth, length): _kept(plan, depth, length, casts_inputs, keeps_less, attention)
        for depth in _DEPTHS
        for length in _LENGTHS
    }
    (few, many), (short, long) = _DEPTHS, _LENGTHS
    in_layers = {
        length: (found[many, length] - found[few, length]) / (many - few) for length in _LENGTHS
    }
    layer = (in_layers[long] - in_layers[short]) / (long - short)
    beside = {length: found[few, length] - few * in_layers[length] for length in _LENGTHS}
    return Saved(
        layer=layer,
        copies=in_layers[short] - layer * short,
        rest=(beside[long] - beside[short]) / (long - short),
    )


def _kept(
    plan: Plan, depth: int, length: int, casts_inputs: bool, keeps_less: bool, attention: str
) -> int:
    """Bytes that autograd keeps of a forward pass of `depth` layers over a row of `length` tokens."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    model = fake.model_of(plan, attention, depth)
    with FakeTensorMode(), torch.device("cpu"), ExitStack() as stack:
        fake.fill(model)
        if keeps_less:
            computing = partial(fake.computing, plan, model, casts_inputs=casts_inputs)
            put_on_fakes(model, stack, computing)
        own = {p.untyped_storage()._cdata for p in model.parameters()}
        kept: dict[int, Any] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage._cdata not in own:
                kept[storage._cdata] = storage
            return tensor

        hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
        with hooks, fake.computing(plan, model, casts_inputs=casts_inputs):
            tokens = torch.zeros(1, length, dtype=torch.long)
            end = fake.backbone(model)(input_ids=tokens, use_cache=False).last_hidden_state
        # The result holds the graph, and the graph what it keeps, until here.
        total = sum(int(storage.nbytes()) for storage in kept.values())
        del end
    return total
