"""Counts what trains on the real model, without its weights.

The model is made from its configuration on torch's meta device, where a tensor has a shape
and no content, and the adapter is put on it by PEFT itself.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator
from typing import Any

from recipe_runner.execute.build import build, class_of
from recipe_runner.execute.model import configuration
from recipe_runner.execute.tokenizer import load_tokenizer
from recipe_runner.execute.trainable import choose_trainable, demand_targets
from recipe_runner.plan import ParameterPlan, Plan, TrainedGroup

_INDEX = re.compile(r"\.\d+\.")


def trace(plan: Plan) -> ParameterPlan:
    """Count the parameters of the plan's model and those that train.

    Loads the configuration and the tokenizer, from the hub where they are not here. Reports
    RR709 and RR713 for names and patterns that the model does not have. Bytes are those that
    the plan knows: the weights are not looked at.
    """
    tokenizer = load_tokenizer(plan.tokenizer)
    model = skeleton(plan, tokenizer)
    choose_trainable(model, plan)
    demand_targets(model, plan)
    total, names = _total(model), _names(model)
    if plan.adapter is not None:
        model = _adapted(plan, model)
    _add_head(plan, model)
    known = plan.parameters.base_bytes if plan.parameters is not None else None
    trained = sum(size for _, size in _training(model))
    everything = plan.adapter is None and trained == total
    groups = () if everything else _groups(_training(model), names)
    return ParameterPlan(total, trained, known, groups)


def count(model: Any) -> tuple[int, int]:
    """All parameters of a loaded model, its adapter's among them, and those that train.

    A weight of few bits counts as what it is packed into.
    """
    return _total(model), sum(size for _, size in _training(model))


def skeleton(plan: Plan, tokenizer: Any) -> Any:
    """The model that would be loaded, on the meta device, with embeddings that fit the tokenizer."""
    import torch

    config, own = configuration(plan)
    if "num_labels" in plan.model.load:
        config.num_labels = plan.model.load["num_labels"]
    trust = {"trust_remote_code": True} if own.get("trust_remote_code") else {}
    with torch.device("meta"):
        model = class_of(plan.model.auto_class).from_config(config, **trust)
        _fit(model, tokenizer, plan.tokenizer.resize_embeddings_multiple_of)
    return model


def _fit(model: Any, tokenizer: Any, multiple: int | None) -> None:
    rows = model.get_input_embeddings().weight.shape[0]
    ragged = multiple is not None and rows % multiple != 0
    if len(tokenizer) > rows or ragged:
        wanted = max(len(tokenizer), rows if ragged else 0)
        model.resize_token_embeddings(wanted, pad_to_multiple_of=multiple, mean_resizing=False)


def _adapted(plan: Plan, model: Any) -> Any:
    """The model with its adapter; how the adapter begins moves no count, and needs weights."""
    from peft import get_peft_model

    assert plan.adapter is not None
    how = plan.adapter.arguments.get("init_lora_weights")
    plain = {"init_lora_weights": True} if isinstance(how, str) else {}
    if plan.adapter.arguments.get("monteclora_config") is not None:
        # On the meta device PEFT leaves its samplers for later.
        model = _of_zeros(model)
    try:
        model = get_peft_model(copy.deepcopy(model), build(plan.adapter, **plain))
    except NotImplementedError:
        # This method looks at the weights. Zeros take no memory until they are written to.
        model = get_peft_model(_of_zeros(model), build(plan.adapter, **plain))
    _keep_frozen(model)
    return model


def _of_zeros(model: Any) -> Any:
    import torch

    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            value = torch.zeros(parameter.shape, dtype=parameter.dtype)
            module.register_parameter(name, torch.nn.Parameter(value))
        for name, buffer in list(module.named_buffers(recurse=False)):
            module.register_buffer(name, torch.zeros(buffer.shape, dtype=buffer.dtype))
    model.tie_weights()
    return model


def _keep_frozen(model: Any) -> None:
    """Freeze what PEFT means to be frozen and forgets to where it moves it to another device.

    Source: `BaseTunerLayer._move_adapter_to_device_of_base_layer` of peft 0.21, which makes a
    new parameter of AdaLoRA's number of ranks.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer
    from torch.nn import ParameterDict

    for module in model.modules():
        if isinstance(module, BaseTunerLayer):
            for name in module.other_param_names:
                held = getattr(module, name, None)
                if isinstance(held, ParameterDict):
                    held.requires_grad_(False)


def _add_head(plan: Plan, model: Any) -> None:
    from recipe_runner.execute.ppo.trainer import PPOTrainer
    from recipe_runner.execute.ppo.value_head import NAME, ValueHead

    if issubclass(class_of(plan.trainer.target), PPOTrainer):
        setattr(model, NAME, ValueHead(model.config.get_text_config().hidden_size, "meta"))


def _total(model: Any) -> int:
    return sum(_size(parameter) for parameter in model.parameters())


def _training(model: Any) -> Iterator[tuple[str, int]]:
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            yield name, _size(parameter)


def _size(parameter: Any) -> int:
    # Where DeepSpeed has split a parameter, this process holds none of it.
    return int(getattr(parameter, "ds_numel", None) or parameter.numel())


def _names(model: Any) -> set[str]:
    return {name for name, _ in model.named_modules() if name}


def _groups(trained: Iterable[tuple[str, int]], names: set[str]) -> tuple[TrainedGroup, ...]:
    """Parameters that train by the module of the base that they are in, or stand beside."""
    sizes: dict[str, int] = {}
    for name, size in trained:
        parts = name.removeprefix("base_model.model.").split(".")
        for cut in range(len(parts), 0, -1):
            module = ".".join(parts[:cut])
            if module in names:
                sizes[module] = sizes.get(module, 0) + size
                break
    groups: dict[str, list[int]] = {}
    for module, size in sizes.items():
        groups.setdefault(_INDEX.sub(".*.", module, count=1), []).append(size)
    return tuple(TrainedGroup(name, len(each), sum(each)) for name, each in groups.items())
