"""Loads what a run made, to use it: in evaluation mode, with the run's tokenizer.

An adapter is put on the base as the plan loads it: quantization, revision, overrides and added
tokens included. What only training needs, such as its attention, is left to upstream.
"""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipe_runner.execute import environment
from recipe_runner.execute.build import class_of
from recipe_runner.execute.codes import chat
from recipe_runner.execute.fault import fault
from recipe_runner.execute.finished import FinishedRun
from recipe_runner.plan import Plan

_ANYWHERE = ("eager", "sdpa")
"""Attentions that need no package and no GPU; others compute the same, faster."""

_LORA = "lora_"
"""How PEFT's names of LoRA weights begin."""


@dataclass
class Loaded:
    """A model for use. `adapted` is True where an adapter is on it that can be turned off."""

    model: Any
    tokenizer: Any
    plan: Plan
    device: str
    adapted: bool
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dtype(self) -> str:
        """The type of the weights that are not quantized, such as "bfloat16"."""
        return str(self.model.dtype).removeprefix("torch.")

    @contextmanager
    def base(self) -> Iterator[None]:
        """Within it, the model is its base: the adapter is off."""
        with self.model.disable_adapter() if self.adapted else nullcontext():
            yield


def load_run(
    finished: FinishedRun,
    *,
    adapter: bool = True,
    merged: bool = False,
    dtype: str | None = None,
    device: str | None = None,
    allow_code: bool = False,
) -> Loaded:
    """What the run made; with `adapter` False what it began with, with `merged` its merged model.

    `dtype` is such as "bfloat16", None for that of the weights; `device` such as "cpu", None for
    a GPU where there is one. Reports RR628 where the base is gone, RR629 where another model is
    in its place, RR631 where code of the model would run and is not allowed, and the codes of a
    run for weights that cannot be loaded.
    """
    _demand_consent(finished, allow_code)
    based = not merged and (finished.is_adapter or not adapter)
    if based:
        _demand_base(finished)
    environment.apply(finished.plan)
    # Imports leave objects that live until the end, and the collector would walk them all.
    collects = gc.isenabled()
    gc.disable()
    try:
        return _load(finished, adapter, merged, dtype, device)
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def merged_folder(finished: FinishedRun) -> Path:
    """Where `recipe-run merge` leaves the merged model of a run."""
    return finished.run.path / "merged"


def load_run_tokenizer(finished: FinishedRun, *, allow_code: bool = False) -> Any:
    """The tokenizer of the run, with its template. Reports RR631."""
    _demand_consent(finished, allow_code)
    environment.apply(finished.plan)
    return class_of("transformers:AutoTokenizer").from_pretrained(
        finished.run.model, **_trust(finished.plan)
    )


def _load(
    finished: FinishedRun, adapter: bool, merged: bool, dtype: str | None, device: str | None
) -> Loaded:
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    # Its handler keeps the stream that there was when it was imported, which may be closed since.
    logging.disable_default_handler()
    logging.enable_propagation()
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = load_run_tokenizer(finished, allow_code=True)
    if merged:
        model = _whole(finished.plan, merged_folder(finished), dtype)
    elif adapter and not finished.is_adapter:
        model = _whole(finished.plan, finished.run.model, dtype)
    else:
        model = _base(finished, tokenizer, dtype, device)
        if adapter:
            model = _adapted(finished, model)
    if not getattr(model, "is_quantized", False):
        model.to(device)
    model.requires_grad_(False)
    return Loaded(
        model.eval(),
        tokenizer,
        finished.plan,
        device,
        adapted=adapter and not merged and finished.is_adapter,
        chat_template_kwargs=finished.plan.tokenizer.chat_template_kwargs,
    )


def _whole(plan: Plan, folder: Path, dtype: str | None) -> Any:
    """A model from its own folder, which knows its type, its embeddings and its quantization."""
    return class_of(plan.model.auto_class).from_pretrained(
        folder, dtype=dtype or "auto", use_safetensors=True, **_attention(plan), **_trust(plan)
    )


def _base(finished: FinishedRun, tokenizer: Any, dtype: str | None, device: str) -> Any:
    from recipe_runner.execute.model import load_model

    plan = finished.plan
    load = {k: v for k, v in plan.model.load.items() if k != "attn_implementation"}
    load |= _attention(plan) | ({"dtype": dtype} if dtype else {})
    arguments = {**plan.arguments.arguments, "use_cpu": device == "cpu", "padding_free": False}
    used = dataclasses.replace(
        plan,
        model=dataclasses.replace(plan.model, load=load),
        # Nothing is packed to be answered, so no attention has to keep rows apart.
        data=dataclasses.replace(plan.data, packing=None),
        arguments=dataclasses.replace(plan.arguments, arguments=arguments),
    )
    return load_model(used, tokenizer)


def _adapted(finished: FinishedRun, base: Any) -> Any:
    """The base with the run's adapter, all of which has to find its place."""
    from peft import PeftModel

    try:
        model = PeftModel.from_pretrained(base, str(finished.run.model))
    except (RuntimeError, ValueError) as error:
        if "size mismatch" in str(error) or "not found in the base model" in str(error):
            lines = [line.strip() for line in str(error).splitlines()]
            why = next((line for line in lines if "size mismatch" in line), lines[0])
            raise _other_base(finished, why) from error
        raise
    _demand_fit(finished, model)
    return model


def _demand_fit(finished: FinishedRun, model: Any) -> None:
    """Refuse weights without a layer, and layers without weights: PEFT passes over both."""
    from peft import load_peft_weights, set_peft_model_state_dict
    from peft.mapping import PEFT_TYPE_TO_PREFIX_MAPPING

    # Loading once more is the public way to hear what found no place.
    weights = load_peft_weights(str(finished.run.model), device="cpu")
    result = set_peft_model_state_dict(model, weights)
    prefix = PEFT_TYPE_TO_PREFIX_MAPPING.get(model.peft_config[model.active_adapter].peft_type)
    if prefix != _LORA:
        # Others share weights between layers, which are listed as missing in each.
        return
    for keys, words in (
        (result.unexpected_keys, "the model has no place for"),
        (result.missing_keys, "the adapter has no weights for"),
    ):
        name = next((key for key in keys if prefix in key), None)
        if name is not None:
            raise _other_base(finished, f"{words} {name.removeprefix('base_model.model.')}")


def _other_base(finished: FinishedRun, why: str) -> Exception:
    return fault(
        chat.OTHER_BASE,
        finished.run.path,
        f"the adapter does not fit {finished.plan.model.name_or_path}: {why[:200]}",
        "put the base back that the run was trained on",
    )


def _demand_base(finished: FinishedRun) -> None:
    model = finished.plan.model
    if model.local and not Path(model.name_or_path).is_dir():
        what = "adapts" if finished.is_adapter else "began with"
        raise fault(
            chat.BASE_GONE,
            finished.run.path,
            f"the run {what} the model in {model.name_or_path}, and there is no such folder",
            "put the base back where it was, or start where the run was started",
        )


def _demand_consent(finished: FinishedRun, allowed: bool) -> None:
    model = finished.plan.model
    if model.load.get("trust_remote_code") and not allowed:
        raise fault(
            chat.CODE_NOT_ALLOWED,
            finished.run.path,
            f"{model.name_or_path} comes with Python code, which this command may not run",
            "read the code, then give --allow-code",
        )


def _attention(plan: Plan) -> dict[str, Any]:
    wanted = plan.model.load.get("attn_implementation")
    return {"attn_implementation": wanted} if wanted in _ANYWHERE else {}


def _trust(plan: Plan) -> dict[str, Any]:
    return {"trust_remote_code": True} if plan.model.load.get("trust_remote_code") else {}
