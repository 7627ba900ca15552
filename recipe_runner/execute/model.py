"""Loads the model, or makes one from its configuration with random weights.

The order of random draws is that of a plain TRL script, `set_seed(seed)` and then the
model, so that the same seed gives the same weights and the same losses.
"""

from __future__ import annotations

import re
from typing import Any

from recipe_runner.execute.build import build, built, class_of
from recipe_runner.execute.tokenizer import location
from recipe_runner.plan import ModelPlan, Plan


def load_model(plan: Plan, tokenizer: Any) -> Any:
    """The model of `plan`, with embeddings that fit `tokenizer`; an adapter is not attached yet."""
    from transformers import set_seed

    set_seed(plan.seed)
    model = _random(plan.model) if plan.model.random_init else _pretrained(plan)
    _fit_embeddings(model, tokenizer, plan.tokenizer.resize_embeddings_multiple_of)
    _agree_on_tokens(model, tokenizer)
    _choose_trainable(model, plan.model)
    if plan.quantization is not None:
        _keep_gradients(model)
    return model


def _random(plan: ModelPlan) -> Any:
    load = _load_arguments(plan)
    config, own = _config(plan)
    # `from_config` takes a dtype and an attention implementation and nothing of the hub.
    chosen = {k: load[k] for k in ("dtype", "attn_implementation") if k in load}
    trust = {"trust_remote_code": True} if own.get("trust_remote_code") else {}
    return class_of(plan.auto_class).from_config(config, **chosen, **trust)


def _pretrained(plan: Plan) -> Any:
    load = _load_arguments(plan.model)
    if plan.model.config_overrides:
        load["config"], _ = _config(plan.model)
    if plan.quantization is not None:
        load["quantization_config"] = build(plan.quantization)
    name = location(plan.model.name_or_path)
    return class_of(plan.model.auto_class).from_pretrained(
        name, **load, use_safetensors=True, device_map=_device_map(plan)
    )


def _device_map(plan: Plan) -> Any:
    """None, but for bitsandbytes on a GPU, which quantizes while it loads onto the device."""
    if plan.quantization is None or plan.arguments.arguments.get("use_cpu"):
        return None
    import torch
    from accelerate import PartialState

    return {"": PartialState().local_process_index} if torch.cuda.is_available() else None


def _config(plan: ModelPlan) -> tuple[Any, dict[str, Any]]:
    from transformers import AutoConfig

    names = ("revision", "trust_remote_code", "token", "subfolder")
    own = {k: v for k, v in plan.load.items() if k in names}
    config = AutoConfig.from_pretrained(
        location(plan.name_or_path), **own, **dict(plan.config_overrides)
    )
    return config, own


def _load_arguments(plan: ModelPlan) -> dict[str, Any]:
    """The plan's arguments, with the name of a dtype turned into the dtype."""
    import torch

    load = built(plan.load)
    dtype = load.get("dtype")
    if isinstance(dtype, str) and dtype != "auto":
        load["dtype"] = getattr(torch, dtype)
    # TRL loads in float32 where nothing is said, transformers in the checkpoint's own dtype.
    load.setdefault("dtype", torch.float32)
    return load


def _keep_gradients(model: Any) -> None:
    """Keep 4-bit layers on a CPU in the form that can be trained.

    On a CPU with AVX512-BF16 the first evaluation repacks their weights for inference, and
    from then on no gradient flows through them, without an error.
    Source: bitsandbytes 0.50, `Linear4bit.forward` and `matmul_4bit`.
    """
    from bitsandbytes.nn import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False


def _fit_embeddings(model: Any, tokenizer: Any, multiple_of: int | None) -> None:
    rows = model.get_input_embeddings().weight.shape[0]
    ragged = multiple_of is not None and rows % multiple_of != 0
    # Embeddings larger than the vocabulary are common, padded for speed: they stay.
    if len(tokenizer) > rows or ragged:
        model.resize_token_embeddings(
            max(len(tokenizer), rows if ragged else 0), pad_to_multiple_of=multiple_of
        )


def _agree_on_tokens(model: Any, tokenizer: Any) -> None:
    """Make the model stop at the tokenizer's end of turn and know its padding.

    A generation config may hold several end tokens; the tokenizer's is added to them.
    """
    if tokenizer.pad_token_id is not None:
        model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    generation = getattr(model, "generation_config", None)
    if generation is None:
        return
    if tokenizer.pad_token_id is not None:
        generation.pad_token_id = tokenizer.pad_token_id
    ends = generation.eos_token_id
    known = [ends] if isinstance(ends, int) else list(ends or ())
    if tokenizer.eos_token_id is not None and tokenizer.eos_token_id not in known:
        generation.eos_token_id = (
            [tokenizer.eos_token_id, *known] if known else (tokenizer.eos_token_id)
        )


def _choose_trainable(model: Any, plan: ModelPlan) -> None:
    """Apply `trainable_parameters` (only these train), then `freeze` (these do not)."""
    only = [re.compile(pattern) for pattern in plan.trainable_parameters]
    frozen = [re.compile(pattern) for pattern in plan.freeze]
    if not only and not frozen:
        return
    for name, parameter in model.named_parameters():
        if only and not any(pattern.search(name) for pattern in only):
            parameter.requires_grad = False
        if any(pattern.search(name) for pattern in frozen):
            parameter.requires_grad = False
