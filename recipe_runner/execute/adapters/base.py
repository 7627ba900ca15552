"""Adapters that are there before the training: part of the base, beneath another, or trained further.

What is merged is part of the base in memory, for everyone who loads the model of a plan. One
that is beneath keeps its layers beside the base's, and ends as part of the LoRA that is saved.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recipe_runner.execute.build import build
from recipe_runner.execute.codes.stacked import ADAPTER_DOES_NOT_FIT, ADAPTERS_NOT_JOINED
from recipe_runner.execute.fault import fault
from recipe_runner.plan import Plan

_BENEATH, _TRAINED = "beneath", "default"
_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def prepare_base(model: Any, plan: Plan) -> Any:
    """`model` with the adapter of `plan.model.adapter` merged into it, where the plan wants that.

    Reports RR722 for an adapter whose layers are not those of the model.
    """
    wanted = plan.model.adapter
    if wanted is None or not wanted.merge:
        return model
    from peft import PeftConfig, get_peft_model

    # PEFT freezes what it is put on.
    trains = {name: each.requires_grad for name, each in model.named_parameters()}
    adapted = get_peft_model(model, PeftConfig.from_pretrained(wanted.path))
    _load(adapted, wanted.path, plan)
    merged = adapted.merge_and_unload(safe_merge=True)
    for name, parameter in merged.named_parameters():
        parameter.requires_grad_(trains.get(name, True))
    return merged


def continued(model: Any, plan: Plan) -> Any:
    """`model` with the adapter that the plan trains further, as it was saved, ready to train.

    Reports RR722 for an adapter whose layers are not those of the model.
    """
    from peft import get_peft_model

    assert plan.adapter is not None
    assert plan.adapter_start is not None
    assert plan.adapter_start.weights is not None
    adapted = get_peft_model(model, build(plan.adapter))
    _load(adapted, plan.adapter_start.weights, plan)
    return adapted


def put_beneath(model: Any, plan: Plan) -> None:
    """Put the frozen adapter of `plan.model.adapter` on the layers of `model`.

    The adapter that trains comes later, onto the same layers where they share some. Reports
    RR722 for one whose layers are not those of the model.
    """
    from peft import PeftConfig, inject_adapter_in_model, load_peft_weights
    from peft import set_peft_model_state_dict as put

    assert plan.model.adapter is not None
    folder = plan.model.adapter.path
    config = PeftConfig.from_pretrained(folder)
    inject_adapter_in_model(config, model, _BENEATH)
    state = load_peft_weights(folder, device="cpu")
    own = {name.removeprefix("base_model.model."): value for name, value in state.items()}
    with _fitting(folder, plan):
        result = put(model, own, adapter_name=_BENEATH)
    _demand_all(model, result, folder, plan, _BENEATH)
    # PEFT would warn that the model has an adapter; that it has is the point.
    del model.peft_config
    model.requires_grad_(False)


def wake_beneath(model: Any, plan: Plan) -> None:
    """Have the adapter beneath act with the one that trains, and stay as it is.

    Reports RR723 for layers that a LoRA of both could not have.
    """
    import torch

    for name, layer in _layers(model):
        if layer.lora_embedding_A or any(each.weight.dim() != 2 for each in layer.lora_A.values()):
            raise fault(
                ADAPTERS_NOT_JOINED,
                plan.recipe_path,
                f"{name} is no linear layer, and two adapters on such a layer are not saved as one",
                "leave it out with adapter.exclude_modules, or set model.adapter.merge: true",
            )
        layer._active_adapter = [each for each in (_BENEATH, _TRAINED) if each in layer.lora_A]
        if _BENEATH in layer.lora_A:
            layer.lora_dropout[_BENEATH] = torch.nn.Identity()
            for part in (layer.lora_A[_BENEATH], layer.lora_B[_BENEATH]):
                part.requires_grad_(False)


def save_joined(model: Any, folder: Path) -> None:
    """Write the adapter beneath and the trained one into `folder` as one LoRA, for the plain base.

    Side by side, two products of matrices are one product of twice the rank. Source:
    `LoraModel.add_weighted_adapter` with `cat`, which takes no ranks that differ by layer.
    """
    import torch
    from safetensors.torch import load_file, save_file

    # Upstream has written the trained one, with what is no LoRA: rows of new tokens, whole modules.
    written = load_file(folder / _WEIGHTS)
    state: dict[str, Any] = {n: value for n, value in written.items() if ".lora_" not in n}
    ranks: dict[str, int] = {}
    for name, layer in _layers(model):
        parts = layer._active_adapter
        first = torch.cat([layer.lora_A[each].weight.float() for each in parts], dim=0)
        second = torch.cat(
            [layer.lora_B[each].weight.float() * layer.scaling[each] for each in parts], dim=1
        )
        ranks[name] = first.shape[0]
        state[f"base_model.model.{name}.lora_A.weight"] = first.detach().cpu().contiguous()
        state[f"base_model.model.{name}.lora_B.weight"] = second.detach().cpu().contiguous()
    config = copy.deepcopy(model.peft_config[_TRAINED])
    config.r = config.lora_alpha = max(ranks.values())
    config.target_modules = set(ranks)
    config.exclude_modules = config.layers_to_transform = config.layers_pattern = None
    smaller = {name: rank for name, rank in ranks.items() if rank != config.r}
    config.rank_pattern, config.alpha_pattern = smaller, dict(smaller)
    config.use_rslora, config.init_lora_weights = False, True
    config.inference_mode = True
    config.save_pretrained(str(folder))
    save_file(state, folder / _WEIGHTS, metadata={"format": "pt"})


def drop_references(folder: Path) -> None:
    """Remove what upstream saves beside the trained adapter: frozen copies that it compared with."""
    for each in folder.iterdir():
        if (each / _CONFIG).is_file():
            shutil.rmtree(each)


def _layers(model: Any) -> Iterator[tuple[str, Any]]:
    from peft.tuners.lora import LoraLayer

    for name, module in model.get_base_model().named_modules():
        if isinstance(module, LoraLayer):
            yield name, module


def _load(model: Any, folder: str, plan: Plan) -> None:
    from peft import load_peft_weights, set_peft_model_state_dict

    with _fitting(folder, plan):
        result = set_peft_model_state_dict(model, load_peft_weights(folder, device="cpu"))
    _demand_all(model, result, folder, plan, _TRAINED)


@contextmanager
def _fitting(folder: str, plan: Plan) -> Iterator[None]:
    """Turn what torch says of weights of other sizes into RR722."""
    try:
        yield
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        first = next((each for each in lines if "size mismatch" in each), lines[0])
        raise _unfit(folder, plan, first) from error


def _demand_all(model: Any, result: Any, folder: str, plan: Plan, adapter: str) -> None:
    """Refuse an adapter that has weights for layers which are not there, or lacks some."""
    lost = list(result.unexpected_keys)
    if lost:
        raise _unfit(folder, plan, f"the model has no place for {_plain(lost)}")
    missing = set(result.missing_keys)
    tensors = dict(model.named_parameters(remove_duplicate=False))
    # Weights that layers share have a name in each of them, and are saved once.
    found = {id(each) for name, each in tensors.items() if name not in missing}
    lacking = [
        key
        for key in result.missing_keys
        if f".{adapter}" in key and key in tensors and id(tensors[key]) not in found
    ]
    if lacking:
        raise _unfit(folder, plan, f"it has no weights for {_plain(lacking)}")


def _plain(keys: Iterable[str]) -> str:
    names = [key.removeprefix("base_model.model.") for key in keys]
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def _unfit(folder: str, plan: Plan, why: str) -> Exception:
    return fault(
        ADAPTER_DOES_NOT_FIT,
        plan.recipe_path,
        f"the adapter in {folder} does not fit {plan.model.name_or_path}: {why[:300]}",
        "name the model that it was trained on, with the same tokenizer",
    )
