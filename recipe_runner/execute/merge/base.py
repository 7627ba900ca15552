"""Loads the base that an adapter merges into: from its files, without reading them yet."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recipe_runner.execute.codes.merge import QUANTIZED_BASE
from recipe_runner.execute.fault import fault
from recipe_runner.execute.merge.mapped import Mapped
from recipe_runner.execute.merge.shards import Entry, Writer, shared_out
from recipe_runner.execute.merge.telling import Told, gib
from recipe_runner.execute.model import load_model
from recipe_runner.plan import ModelPlan, Plan

_SMALL = 64 * 2**20
"""Bytes of weights of another type that are converted in memory, and not on disk."""

_SHARD = 2 * 2**30
"""Bytes of one file of a converted copy."""

_INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"


@dataclass(frozen=True)
class Base:
    """The base as the run loaded it, before anything was quantized.

    `dtype` is the type of its weights in the run, `mapped` the files that they lie in.
    """

    model: Any
    dtype: Any
    mapped: Mapped


def moved(plan: Plan, base: Path | None) -> Plan:
    """The plan with its base in the folder `base`, where one is given."""
    if base is None:
        return plan
    load = {**plan.model.load, "revision": None}
    name = str(base.resolve())
    return replace(plan, model=replace(plan.model, name_or_path=name, load=load, local=True))


def load_base(
    plan: Plan, tokenizer: Any, scratch: Path, *, dequantize: bool, told: Told, where: Path
) -> Base:
    """The base of `plan`, ready for the adapter.

    A base of another type than the run loaded it in is converted into `scratch`, file by
    file. Reports RR734 for a checkpoint that is quantized without `dequantize`, and what
    `load_model` reports.
    """
    quantized = None if plan.model.random_init else _quantizer(plan.model)
    fitted = quantized is None and _fitted_to_quantized(plan)
    if quantized is not None and not dequantize:
        raise fault(
            QUANTIZED_BASE,
            where,
            f"{plan.model.name_or_path} is quantized with {quantized}, and no adapter "
            "merges into that",
            "add --dequantize, or name the checkpoint that it was made of with --base",
        )
    if fitted:
        told("the adapter was fitted to quantized weights: the base is quantized and turned back")
    elif plan.quantization is not None and quantized is None:
        told(
            f"{plan.model.name_or_path} was quantized while the run loaded it; "
            "the adapter merges into its weights as they are on disk"
        )
    plain = _for_looking(plan)
    if fitted:
        plain = replace(plain, quantization=plan.quantization)
    elif quantized is None and not plan.model.random_init:
        plain = _of_one_type(plain, scratch, told)
    model = load_model(plain, tokenizer).eval()
    if quantized is not None or fitted:
        told(f"turning the quantized weights of the base into {_word(_dtype(plan, model))}")
        model = _dequantized(model, _dtype(plan, model))
    mapped = Mapped.of(model)
    outside = mapped.bytes_outside(model)
    if outside > _SMALL:
        told(f"{gib(outside)} of the base are held in memory")
    return Base(model, _dtype(plan, model), mapped)


def weight_files(model: ModelPlan) -> tuple[Path, ...]:
    """The weight files of a checkpoint, of the hub's cache or a folder; none where it has no such."""
    index = _file(model, _INDEX)
    if index is None:
        single = _file(model, _SINGLE)
        return () if single is None else (single,)
    names = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
    files = [_file(model, name) for name in dict.fromkeys(names)]
    return tuple(file for file in files if file is not None)


def _for_looking(plan: Plan) -> Plan:
    """The plan as far as a model is loaded on a CPU to be looked at, and not trained."""
    arguments = {**plan.arguments.arguments, "padding_free": None, "use_cpu": True}
    return replace(
        plan,
        quantization=None,
        data=replace(plan.data, packing=None),
        arguments=replace(plan.arguments, arguments=arguments),
        model=replace(plan.model, load={**plan.model.load, "attn_implementation": None}),
    )


def _fitted_to_quantized(plan: Plan) -> bool:
    """True for LoftQ, whose matrices hold what quantizing the base has lost, too."""
    adapter = plan.adapter.arguments if plan.adapter is not None else {}
    return plan.quantization is not None and adapter.get("init_lora_weights") == "loftq"


def _quantizer(model: ModelPlan) -> str | None:
    """What the checkpoint is quantized with, None where it is not."""
    file = _file(model, "config.json")
    values = {} if file is None else json.loads(file.read_text(encoding="utf-8"))
    found = values.get("quantization_config")
    return None if found is None else str(found.get("quant_method", "a quantizer"))


def _dequantized(model: Any, dtype: Any) -> Any:
    model = model.dequantize().to(dtype)
    for holder in (model, model.config):
        if getattr(holder, "quantization_config", None) is not None:
            del holder.quantization_config
    # What the quantizer did to names and weights while it loaded is over, and has no way back.
    ways = getattr(model, "_weight_conversions", None) or ()
    model._weight_conversions = [way for way in ways if _turns_back(way)]
    return model


def _turns_back(conversion: Any) -> bool:
    try:
        conversion.reverse_transform()
    except NotImplementedError:
        return False
    return True


def _of_one_type(plan: Plan, scratch: Path, told: Told) -> Plan:
    """The plan with a base whose weights are of the type that it loads them in."""
    import torch

    name = plan.model.load.get("dtype", "float32")
    if name == "auto":
        return plan
    wanted = getattr(torch, str(name))
    files = weight_files(plan.model)
    other = sum(entry.count for entry in _entries(files) if _converts(entry.dtype, wanted))
    if other <= _SMALL:
        return plan
    told(f"the base is not in {name}, in which the run loaded it: converting it on disk")
    scratch.mkdir()
    for beside in files[0].parent.iterdir():
        if beside.suffix != ".safetensors" and beside.name != _INDEX:
            (scratch / beside.name).symlink_to(beside.resolve())
    _convert(files, scratch, wanted)
    return replace(plan, model=replace(plan.model, name_or_path=str(scratch), local=True))


def _convert(files: Iterable[Path], folder: Path, wanted: Any) -> None:
    from safetensors import safe_open

    files = tuple(files)
    entries = [
        replace(each, dtype=wanted) if _converts(each.dtype, wanted) else each
        for each in _entries(files)
    ]
    with Writer(folder, shared_out(entries, _SHARD), lambda: None) as writer:
        for path in files:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 - no mapping
                    tensor = file.get_tensor(name)
                    writer.write(
                        name, tensor.to(wanted) if _converts(tensor.dtype, wanted) else tensor
                    )


def _entries(files: Iterable[Path]) -> list[Entry]:
    from safetensors import safe_open

    found = []
    for path in files:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - no mapping
                part = file.get_slice(name)
                found.append(Entry(name, tuple(part.get_shape()), _torch_type(part.get_dtype())))
    return found


def _torch_type(word: str) -> Any:
    import torch

    from recipe_runner.execute.merge.shards import WORDS

    return next(getattr(torch, name) for name, known in WORDS.items() if known == word)


def _converts(dtype: Any, wanted: Any) -> bool:
    return bool(dtype.is_floating_point and dtype != wanted)


def _file(model: ModelPlan, name: str) -> Path | None:
    from transformers.utils import cached_file

    found = cached_file(
        model.name_or_path,
        name,
        revision=model.load.get("revision"),
        subfolder=model.load.get("subfolder") or "",
        _raise_exceptions_for_missing_entries=False,
    )
    return None if found is None else Path(found)


def _dtype(plan: Plan, model: Any) -> Any:
    import torch

    name = plan.model.load.get("dtype", "float32")
    return model.dtype if name in (None, "auto") else getattr(torch, str(name))


def _word(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")
