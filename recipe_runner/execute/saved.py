"""Measures what the forward pass keeps for the backward pass, on tensors without content.

The model is made from its configuration as fake tensors, which have a device, a shape and a type,
and no memory. Autograd says which of them it keeps. Two depths and two lengths tell what a layer
and a token add, so that a model of any size is traced in seconds.

T: tokens of a row, H: heads of the queries, G: heads of keys and values, D: size of a head.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from recipe_runner.execute.build import build, class_of
from recipe_runner.execute.model import configuration
from recipe_runner.execute.trainable import choose_trainable
from recipe_runner.plan import Plan

_ATTENTION = "traced"
_DEPTHS = (2, 4)
_LENGTHS = (256, 512)
_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Saved:
    """Bytes that are kept: per token in a layer, per layer whatever its tokens, per token beside.

    What a layer keeps of its weights are copies in the type of the products. `rest` is what the
    last norm and the rotations keep; the loss is not traced.
    """

    layer: float
    copies: float
    rest: float


def saved(plan: Plan, *, casts_inputs: bool = True) -> Saved:
    """Trace the plan's model with its adapter. The attention is one kernel, as without a mask.

    `casts_inputs` is False where adapted layers take their inputs as they are. The bases of
    quantized models have no fake tensors: they count as whole, in the type of the computation.
    """
    found = {
        (depth, length): _kept(plan, depth, length, casts_inputs)
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


def _kept(plan: Plan, depth: int, length: int, casts_inputs: bool) -> int:
    """Bytes that autograd keeps of a forward pass of `depth` layers over a row of `length` tokens."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    given = plan.arguments.arguments
    half = next((kind for name, kind in _HALF.items() if given.get(name)), None)
    model = _model(plan, depth)
    with FakeTensorMode(), torch.device("cpu"):
        _fill(model)
        own = {p.untyped_storage()._cdata for p in model.parameters()}
        kept: dict[int, Any] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage._cdata not in own:
                kept[storage._cdata] = storage
            return tensor

        hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
        computation = torch.autocast("cpu", dtype=half or torch.bfloat16, enabled=half is not None)
        with hooks, computation, _dropout_of(plan), _casting(model, casts_inputs):
            tokens = torch.zeros(1, length, dtype=torch.long)
            end = _backbone(model)(input_ids=tokens, use_cache=False).last_hidden_state
        # The result holds the graph, and the graph what it keeps, until here.
        total = sum(int(storage.nbytes()) for storage in kept.values())
        del end
    return total


def _model(plan: Plan, depth: int) -> Any:
    """The model with its adapter on the meta device, in training."""
    _register()
    config, _ = configuration(plan)
    config.num_hidden_layers = depth
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:depth]
    config._attn_implementation = _ATTENTION
    dtype = getattr(torch, str(plan.model.load["dtype"]))
    with torch.device("meta"):
        model = class_of(plan.model.auto_class).from_config(config, dtype=dtype)
    choose_trainable(model, plan)
    if plan.adapter is not None:
        from peft import get_peft_model

        # TRL trains the adapters of a quantized base in bfloat16.
        wide = plan.quantization is None
        model = get_peft_model(model, build(plan.adapter), autocast_adapter_dtype=wide)
    return model.train()


def _fill(model: Any) -> None:
    """Put tensors of the current kind in the place of those on the meta device; shared ones once."""
    made: dict[int, torch.nn.Parameter] = {}
    for module in model.modules():
        for name, old in module.named_parameters(recurse=False):
            if id(old) not in made:
                new = torch.empty(old.shape, dtype=old.dtype)
                made[id(old)] = torch.nn.Parameter(new, requires_grad=old.requires_grad)
            module._parameters[name] = made[id(old)]
        for name, old in module.named_buffers(recurse=False):
            module._buffers[name] = torch.empty(old.shape, dtype=old.dtype)


def _backbone(model: Any) -> Any:
    """The model below its head."""
    whole = model.get_base_model() if hasattr(model, "get_base_model") else model
    return whole.base_model


@cache
def _register() -> None:
    """An attention that keeps what a fused kernel does; fake tensors would take the one in parts."""
    from transformers import AttentionInterface, AttentionMaskInterface

    class Fused(torch.autograd.Function):
        """Keeps queries [1, H, T, D], keys and values [1, G, T, D], the result and a sum per head."""

        @staticmethod
        def forward(ctx: Any, *three: torch.Tensor) -> torch.Tensor:
            if torch.is_autocast_enabled("cpu"):
                three = tuple(each.to(torch.get_autocast_dtype("cpu")) for each in three)
            batch, heads, tokens, size = three[0].shape
            # The result lies in memory as the product behind it reads it.
            result = three[0].new_empty(batch, tokens, heads, size).transpose(1, 2)
            sums = three[0].new_empty(batch, heads, tokens, dtype=torch.float32)
            ctx.save_for_backward(*three, result, sums)
            return result

        @staticmethod
        def backward(ctx: Any, *_: Any) -> Any:
            raise NotImplementedError  # nothing is traced backwards

    def attend(_: Any, query: Any, key: Any, value: Any, *__: Any, **___: Any) -> Any:
        return Fused.apply(query, key, value).transpose(1, 2), None

    AttentionInterface.register(_ATTENTION, attend)
    AttentionMaskInterface.register(_ATTENTION, lambda *_, **__: None)


@contextmanager
def _dropout_of(plan: Plan) -> Iterator[None]:
    """Dropout as the plan's device computes it: a GPU keeps a mask of bytes, a CPU one of factors."""
    if plan.arguments.arguments.get("use_cpu"):
        yield
        return
    functional: Mapping[str, Any] = vars(torch.nn.functional)
    usual = functional["dropout"]

    def dropped(x: torch.Tensor, p: float = 0.5, training: bool = True, *_: Any) -> Any:
        return torch.native_dropout(x, p, True)[0] if training and p > 0 else x

    torch.nn.functional.dropout = dropped
    try:
        yield
    finally:
        torch.nn.functional.dropout = usual


def _casting(model: Any, casts: bool) -> Any:
    if casts:
        return nullcontext()
    from peft.helpers import disable_input_dtype_casting

    return disable_input_dtype_casting(model)
