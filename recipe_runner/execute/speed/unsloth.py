"""Lets Unsloth make the model, and put its adapter on.

Source: `FastLanguageModel` of unsloth 2026.10.9, which has not been run here: that release wants
TRL up to 1.15, and this package 1.16 and above.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from recipe_runner import upstream
from recipe_runner.components.packages import installed
from recipe_runner.execute.speed.refused import Refused
from recipe_runner.plan import Call, Plan

_PACKAGES = ("unsloth", "unsloth_zoo")
_MARK = "_recipe_runner_made_by"
_BITS = ("load_in_4bit", "load_in_8bit")
_LORA = (
    "r",
    "target_modules",
    "lora_alpha",
    "lora_dropout",
    "bias",
    "layers_to_transform",
    "layers_pattern",
    "use_rslora",
    "modules_to_save",
    "init_lora_weights",
)
"""Arguments of `FastLanguageModel.get_peft_model` that are fields of `peft.LoraConfig`."""

_OF_PEFT = ("task_type", "peft_type", "base_model_name_or_path", "inference_mode")


def put_on(plan: Plan, trainer: Any, stack: ExitStack) -> Callable[[], str]:
    """Tell of the model, which was made before the trainer was."""
    del stack
    if (why := why_not_for(plan)) is not None:
        raise Refused(why)
    model = trainer.accelerator.unwrap_model(trainer.model)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    made_by = getattr(base, _MARK, None)
    if made_by is None:
        raise Refused("it could not be loaded")
    return lambda: f"the model{' and its adapter are' if base is not model else ' is'} {made_by}'s"


def load_first(plan: Plan) -> None:
    """Import it before the libraries that it changes, as it wants to be."""
    if why_not_for(plan) is None:
        importlib.import_module("unsloth")


def why_not_for(plan: Plan) -> str | None:
    """Why it is not the one to make the model of `plan` on this machine; None where it is."""
    model, quantization = plan.model, plan.quantization
    if model.random_init or model.config_overrides or model.adapter is not None:
        return "it loads a checkpoint as it is"
    if model.freeze or model.trainable_parameters or model.trainable is not None:
        return "it decides itself what trains"
    if quantization is not None and not any(map(quantization.arguments.get, _BITS)):
        return "it quantizes with bitsandbytes only"
    if plan.adapter is not None and plan.adapter.target != "peft:LoraConfig":
        return f"it trains in full or with LoRA, and not {plan.adapter.target}"
    if plan.adapter is not None and (strange := _strange(plan.adapter)):
        return f"its LoRA has no {', '.join(strange)}"
    if plan.adapter_start is not None:
        return "its adapter begins as LoRA does, and not from data or a saved one"
    return next(_clashes(), None)


def make_model(plan: Plan) -> Any | None:
    """The model of `plan`, loaded by Unsloth; None where it is not the one for it.

    Weights are in 16 bits: it computes without autocast.
    """
    if why_not_for(plan) is not None:
        return None
    import torch

    quantization = plan.quantization.arguments if plan.quantization is not None else {}
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(plan.launch.mixed_precision)
    model, _ = importlib.import_module("unsloth").FastLanguageModel.from_pretrained(
        model_name=plan.model.name_or_path,
        revision=plan.model.load.get("revision"),
        trust_remote_code=bool(plan.model.load.get("trust_remote_code")),
        max_seq_length=plan.data.max_length,
        dtype=half,
        full_finetuning=plan.adapter is None,
        use_exact_model_name=True,
        use_gradient_checkpointing=_recomputes(plan),
        random_state=plan.seed,
        **{bits: bool(quantization.get(bits)) for bits in _BITS},
    )
    version = importlib.metadata.version("unsloth")
    setattr(model, _MARK, f"unsloth {version}")
    return model


def attach(plan: Plan, model: Any, config: Any) -> Any | None:
    """The model with the adapter of PEFT's `config`; None for a model that is not of Unsloth."""
    if getattr(model, _MARK, None) is None:
        return None
    kind = importlib.import_module("unsloth").FastLanguageModel
    return kind.get_peft_model(
        model,
        use_gradient_checkpointing=_recomputes(plan),
        random_state=plan.seed,
        **{name: getattr(config, name) for name in _LORA},
    )


def _recomputes(plan: Plan) -> bool:
    arguments = plan.arguments.arguments
    return bool(
        arguments.get("gradient_checkpointing") or arguments.get("activation_checkpointing")
    )


def _clashes() -> Iterator[str]:
    """What is missing, or does not fit, by the metadata of the packages."""
    found = installed(_PACKAGES)
    for name in _PACKAGES:
        if name not in found:
            yield f"{name} is not installed"
        elif found[name].clash:
            yield found[name].clash


def _strange(adapter: Call) -> list[str]:
    """Options of LoRA that have another value than PEFT gives them, and that Unsloth has not."""
    return [
        name
        for name, field in upstream.fields(adapter.target).items()
        if name not in (*_LORA, *_OF_PEFT)
        and name in adapter.arguments
        and adapter.arguments[name] != field.default
    ]
