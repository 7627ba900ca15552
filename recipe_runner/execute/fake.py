"""A plan's model on tensors without content: they have a device, a shape and a type, and no memory.

What a forward pass would keep of any model can be measured so, in seconds and without weights.

B: rows, T: tokens of a row, H: heads of the queries, G: heads of keys and values, D: size of a head.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import torch

from recipe_runner.execute.build import build, class_of
from recipe_runner.execute.model import configuration
from recipe_runner.execute.trainable import choose_trainable
from recipe_runner.plan import Plan

FUSED, MASKED, SEGMENTS = "traced", "traced_with_mask", "traced_in_segments"
"""Attentions that keep what a fused kernel does; fake tensors would take the one in parts."""

_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


def model_of(plan: Plan, attention: str, depth: int | None = None, dtype: str | None = None) -> Any:
    """The model with its adapter on the meta device, in training.

    It has `depth` layers where that is given, and the plan's dtype where no other is.
    """
    _register()
    config, own = configuration(plan)
    if "num_labels" in plan.model.load:
        config.num_labels = plan.model.load["num_labels"]
    if depth is not None:
        config.num_hidden_layers = depth
        if getattr(config, "layer_types", None):
            config.layer_types = config.layer_types[:depth]
    config._attn_implementation = attention
    kind = getattr(torch, dtype or str(plan.model.load["dtype"]))
    trust = {"trust_remote_code": True} if own.get("trust_remote_code") else {}
    with torch.device("meta"):
        model = class_of(plan.model.auto_class).from_config(config, dtype=kind, **trust)
    choose_trainable(model, plan)
    if plan.adapter is not None:
        from peft import get_peft_model

        how = plan.adapter.arguments.get("init_lora_weights")
        # How an adapter begins moves no size, and needs weights.
        plain = {"init_lora_weights": True} if isinstance(how, str) else {}
        # TRL trains the adapters of a quantized base in bfloat16.
        wide = plan.quantization is None
        model = get_peft_model(model, build(plan.adapter, **plain), autocast_adapter_dtype=wide)
    return model.train()


def fill(model: Any) -> None:
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


def base_of(model: Any) -> Any:
    """The model below its adapter."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def backbone(model: Any) -> Any:
    """The model below its adapter and its head."""
    return base_of(model).base_model


@contextmanager
def computing(plan: Plan, model: Any, *, casts_inputs: bool) -> Iterator[None]:
    """The types and the dropout that the plan's run computes with.

    `casts_inputs` is False where adapted layers take their inputs as they are.
    """
    given = plan.arguments.arguments
    half = next((kind for name, kind in _HALF.items() if given.get(name)), None)
    computation = torch.autocast("cpu", dtype=half or torch.bfloat16, enabled=half is not None)
    with computation, _dropout_of(plan), _casting(model, casts_inputs):
        yield


@cache
def _register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.integrations.sdpa_attention import repeat_kv

    # Checkpoints that keep attention know it by its name, as they know kernels of packages.
    @torch.library.custom_op("recipe_runner::traced_flash_attn", mutates_args=())
    def fused(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        raise NotImplementedError  # nothing is computed

    @fused.register_fake
    def _(
        query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        del key, mask
        batch, heads, tokens, _ = query.shape
        # The result lies in memory as the product behind it reads it.
        result = query.new_empty(batch, tokens, heads, value.shape[-1]).transpose(1, 2)
        return result, query.new_empty(batch, heads, tokens, dtype=torch.float32)

    def keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Queries [B, H, T, D], keys and values [B, G, T, D], a mask, the result and a sum per head."""
        given = [each for each in inputs if each is not None]
        ctx.save_for_backward(*given, *output)

    def backward(ctx: Any, *_: Any) -> Any:
        raise NotImplementedError  # nothing is traced backwards

    fused.register_autograd(backward, setup_context=keep)

    def attend(_: Any, query: Any, key: Any, value: Any, *__: Any, **___: Any) -> Any:
        return fused(*_cast(query, key, value), None)[0].transpose(1, 2), None

    def attend_masked(module: Any, query: Any, key: Any, value: Any, *__: Any, **___: Any) -> Any:
        query, key, value = _cast(query, key, value)
        groups = getattr(module, "num_key_value_groups", 1)
        if groups > 1:
            # With a mask transformers repeats keys and values for all heads.
            key, value = repeat_kv(key, groups), repeat_kv(value, groups)
        # The kernel makes a mask of its own, in the type of the queries.
        mask = query.new_empty(query.shape[0], 1, query.shape[2], key.shape[2])
        return fused(query, key, value, mask)[0].transpose(1, 2), None

    def attend_in_segments(_: Any, query: Any, key: Any, value: Any, *__: Any, **___: Any) -> Any:
        # As `attention/segments.py` has it on a CPU: in float32, and the results are joined.
        wide = torch.promote_types(query.dtype, torch.float32)
        result = fused(query.to(wide), key.to(wide), value.to(wide), None)[0]
        kind = _cast(query)[0].dtype
        return result.clone().to(kind).transpose(1, 2).contiguous(), None

    functions = ((FUSED, attend), (MASKED, attend_masked), (SEGMENTS, attend_in_segments))
    for name, function in functions:
        AttentionInterface.register(name, function)
        AttentionMaskInterface.register(name, lambda *_, **__: None)


def _cast(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    if not torch.is_autocast_enabled("cpu"):
        return tensors
    kind = torch.get_autocast_dtype("cpu")
    return tuple(each.to(kind) for each in tensors)


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
    if casts or not hasattr(model, "get_base_model"):
        return nullcontext()
    from peft.helpers import disable_input_dtype_casting

    return disable_input_dtype_casting(model)
