"""Loads the model, or makes one from its configuration with random weights.

The order of random draws is that of a plain TRL script, `set_seed(seed)` and then the
model, so that the same seed gives the same weights and the same losses.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from recipe_runner.execute.adapters.base import prepare_base
from recipe_runner.execute.attention.segments import register
from recipe_runner.execute.attention.suitable import (
    demand_joinable,
    why_class_cannot,
    why_not_joinable,
)
from recipe_runner.execute.build import build, built, class_of
from recipe_runner.execute.codes import during
from recipe_runner.execute.fault import fault
from recipe_runner.execute.trainable import choose_trainable, demand_targets
from recipe_runner.plan import ModelPlan, Plan
from recipe_runner.plan.joined import SEGMENTS, joins_rows


def load_model(plan: Plan, tokenizer: Any, make: Callable[[Plan], Any | None] | None = None) -> Any:
    """The model of `plan`, with embeddings that fit `tokenizer`; its adapter is not attached yet.

    `make` may make the model instead of transformers; it gives None where it does not.
    An adapter that is part of the base is merged into it (RR722 where it does not fit).

    Reports RR709 and RR713 for names and patterns that the model does not have, RR714 for
    weights that are not in the checkpoint, RR715 for values that its configuration refuses,
    RR446 for models in which rows that share a sequence would see each other.
    """
    from transformers import set_seed

    set_seed(plan.seed)
    plan = _with_attention(plan)
    model = make(plan) if make is not None else None
    if model is None:
        model = _random(plan) if plan.model.random_init else _pretrained(plan)
    if plan.model.load.get("attn_implementation") == SEGMENTS and not joins_rows(plan):
        _leave_attention(model)
    _fit_embeddings(model, tokenizer, plan.tokenizer.resize_embeddings_multiple_of)
    _agree_on_tokens(model, tokenizer)
    model = prepare_base(model, plan)
    choose_trainable(model, plan)
    demand_targets(model, plan)
    if joins_rows(plan):
        demand_joinable(model, plan)
    if plan.quantization is not None:
        _keep_gradients(model)
    return model


def _with_attention(plan: Plan) -> Plan:
    """The plan with an attention that the class of its model takes.

    Where padding is taken out to be faster, one that does not take ours keeps its own.
    """
    if plan.model.load.get("attn_implementation") != SEGMENTS:
        return plan
    register()
    config, _ = configuration(plan)
    why = why_class_cannot(class_of(plan.model.auto_class), config)
    if why is None or joins_rows(plan):
        return plan
    load = {**plan.model.load, "attn_implementation": None}
    return replace(plan, model=replace(plan.model, load=load))


def _leave_attention(model: Any) -> None:
    """Give a model its own attention back where ours would compute something else."""
    if why_not_joinable(model) is not None:
        model.set_attn_implementation("sdpa" if model._supports_sdpa else "eager")


def _random(plan: Plan) -> Any:
    load = _load_arguments(plan.model)
    config, own = configuration(plan)
    if "num_labels" in load:
        config.num_labels = load["num_labels"]
    # `from_config` takes a dtype and an attention implementation and nothing of the hub.
    chosen = {k: load[k] for k in ("dtype", "attn_implementation") if k in load}
    trust = {"trust_remote_code": True} if own.get("trust_remote_code") else {}
    return class_of(plan.model.auto_class).from_config(config, **chosen, **trust)


def _pretrained(plan: Plan) -> Any:
    load = _load_arguments(plan.model)
    if plan.model.config_overrides:
        load["config"], _ = configuration(plan)
    if plan.quantization is not None:
        load["quantization_config"] = build(plan.quantization)
    name = plan.model.name_or_path
    model, loaded = class_of(plan.model.auto_class).from_pretrained(
        name,
        **load,
        use_safetensors=True,
        device_map=_device_map(plan),
        output_loading_info=True,
    )
    _demand_weights(plan, loaded["missing_keys"])
    return model


def _demand_weights(plan: Plan, missing: Collection[str]) -> None:
    """Refuse a checkpoint that lacks weights: upstream draws them at random and goes on.

    The head of a classifier is drawn at random where the checkpoint is of a language model.
    """
    names = sorted(name for name in missing if not _is_head(plan.model, name))
    if not names:
        return
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    raise fault(
        during.WEIGHTS_MISSING,
        plan.recipe_path,
        f"{plan.model.name_or_path} has no weights for {', '.join(names[:3])}{more}",
        "correct model.config_overrides, or take a checkpoint that is whole"
        if plan.model.config_overrides
        else "take a checkpoint that is whole, of a model and not of an adapter",
    )


def _is_head(model: ModelPlan, name: str) -> bool:
    return "num_labels" in model.load and name.startswith(("score.", "classifier."))


def _device_map(plan: Plan) -> Any:
    """None, but for bitsandbytes on a GPU, which quantizes while it loads onto the device."""
    if plan.quantization is None or plan.arguments.arguments.get("use_cpu"):
        return None
    import torch
    from accelerate import PartialState

    return {"": PartialState().local_process_index} if torch.cuda.is_available() else None


def configuration(plan: Plan) -> tuple[Any, dict[str, Any]]:
    """The configuration with the plan's overrides, and what it was loaded with."""
    from transformers import AutoConfig

    model = plan.model
    names = ("revision", "trust_remote_code", "token", "subfolder")
    own = {k: v for k, v in model.load.items() if k in names}
    # Upstream writes into what it is given.
    overrides = copy.deepcopy(dict(model.config_overrides))
    name = model.name_or_path
    for key in ("rope_parameters", "rope_scaling"):
        if isinstance(overrides.get(key), dict) and "rope_theta" not in overrides[key]:
            # The mapping is replaced as a whole, and its base would be lost with it.
            base = getattr(AutoConfig.from_pretrained(name, **own), "rope_parameters", None) or {}
            overrides[key] |= {k: v for k, v in base.items() if k == "rope_theta"}
    config, unused = AutoConfig.from_pretrained(name, **own, **overrides, return_unused_kwargs=True)
    # Upstream leaves out what the configuration does not have, without a word.
    for key in model.config_overrides:
        if key in unused:
            near = difflib.get_close_matches(key, config.to_dict(), n=1)
            raise fault(
                during.VALUE_REFUSED,
                plan.recipe_path,
                f"model.config_overrides has {key}, and the configuration of "
                f"{model.name_or_path} ({type(config).__name__}) has no such value",
                f"did you mean {near[0]}?" if near else "name a value of its config.json",
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


def load_other(plan: Plan, other: ModelPlan) -> Any:
    """A model beside the one that trains, whole and frozen, in evaluation mode.

    Code that comes with it is not run, whatever the plan says or leaves out. Reports RR714 for
    weights that are not in its checkpoint.
    """
    load = {**_load_arguments(other), "trust_remote_code": False}
    model, loaded = class_of(other.auto_class).from_pretrained(
        other.name_or_path, **load, use_safetensors=True, output_loading_info=True
    )
    missing = sorted(loaded["missing_keys"])
    if missing:
        raise fault(
            during.WEIGHTS_MISSING,
            plan.recipe_path,
            f"{other.name_or_path} has no weights for {', '.join(missing[:3])}",
            "name a checkpoint that is whole, of the kind that is asked for",
        )
    model.requires_grad_(False)
    return model.eval()


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
