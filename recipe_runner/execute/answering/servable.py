"""The command that serves what a run made with vLLM, or why vLLM cannot.

Reads the adapter's configuration and no weights. Source: vLLM's `PEFTHelper` (what it refuses of
an adapter), `LoRAConfig.max_lora_rank` (the sizes it knows), https://docs.vllm.ai/en/latest/features/lora.html.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recipe_runner.execute.codes.chat import NOT_SERVABLE
from recipe_runner.execute.fault import fault
from recipe_runner.execute.finished import FinishedRun
from recipe_runner.execute.generation.wanted import why_not_served
from recipe_runner.plan import Plan

_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
_PLAIN_STARTS = (True, False, "gaussian", "orthogonal", "eva")
"""Ways to start LoRA that leave the base as it is."""

_REFUSED = {
    "use_dora": "uses DoRA",
    "modules_to_save": "trains whole modules (`modules_to_save`)",
    "trainable_token_indices": "trains single tokens (`trainable_token_indices`)",
    "target_parameters": "is on parameters instead of modules (`target_parameters`)",
    "alora_invocation_tokens": "turns on at an invocation (aLoRA)",
    "layer_replication": "repeats layers (`layer_replication`)",
    "lora_bias": "has biases (`lora_bias`)",
    # vLLM scales every layer by the one rank and alpha, and would answer otherwise unnoticed.
    "rank_pattern": "has layers of other ranks (`rank_pattern`)",
    "alpha_pattern": "has layers of other strengths (`alpha_pattern`)",
}


def vllm_command(finished: FinishedRun, model: Path, *, merged: bool = False) -> list[str]:
    """The words of the command that serves `model`, the folder of the result or of its merged form.

    Reports RR632 for an adapter that vLLM cannot serve on its base.
    """
    plan, run = finished.plan, finished.run.path
    if merged or not finished.is_adapter:
        config = json.loads((model / "config.json").read_text(encoding="utf-8"))
        dtype = config.get("dtype") or config.get("torch_dtype")
        words = [str(model), *_option("dtype", dtype)]
        return ["vllm", "serve", *words, *_common(plan, model, plan.name)]
    adapter = json.loads((model / "adapter_config.json").read_text(encoding="utf-8"))
    why = _why_not(plan, adapter)
    if why is not None:
        raise fault(
            NOT_SERVABLE,
            run,
            f"vLLM cannot serve this adapter: {why}",
            f"merge it: recipe-run merge {run}, then recipe-run chat {run} --merged --print-vllm",
        )
    words = [
        plan.model.name_or_path,
        *_option("revision", plan.model.load.get("revision")),
        *_option("dtype", plan.model.load.get("dtype")),
        *_quantization(plan),
        *_option("tokenizer", model),
        "--enable-lora",
        *_option("lora-modules", f"{plan.name}={model}"),
        *_option("max-lora-rank", _room_for(int(adapter["r"]))),
    ]
    return ["vllm", "serve", *words, *_common(plan, model, None)]


def _common(plan: Plan, folder: Path, name: str | None) -> list[str]:
    template = folder / "chat_template.jinja"
    variables = plan.tokenizer.chat_template_kwargs
    return [
        *_option("served-model-name", name),
        *_option("chat-template", template if template.is_file() else None),
        *_option(
            "default-chat-template-kwargs", json.dumps(dict(variables)) if variables else None
        ),
        *(["--trust-remote-code"] if plan.model.load.get("trust_remote_code") else []),
    ]


def _option(name: str, value: Any) -> list[str]:
    return [] if value is None else [f"--{name}", str(value)]


def _quantization(plan: Plan) -> list[str]:
    """What has vLLM quantize the base as it loads it; it knows one such form: NF4."""
    call = plan.quantization
    if call is None or call.arguments.get("bnb_4bit_quant_type") != "nf4":
        return []
    return ["--quantization", "bitsandbytes"]


def _why_not(plan: Plan, adapter: dict[str, Any]) -> str | None:
    if plan.model.adapter is not None and plan.model.adapter.merge:
        return "its base has another adapter merged into it"
    if adapter.get("peft_type") != "LORA":
        return f"it is {adapter.get('peft_type')}, and no LoRA"
    for field, words in _REFUSED.items():
        if adapter.get(field):
            return f"it {words}"
    if adapter.get("bias", "none") != "none":
        return "it trains biases (`bias`)"
    if adapter.get("init_lora_weights", True) not in _PLAIN_STARTS:
        return f"its start, {adapter['init_lora_weights']}, has changed the base"
    if int(adapter["r"]) > _RANKS[-1]:
        return f"its rank is {adapter['r']}, and vLLM takes up to {_RANKS[-1]}"
    return why_not_served(plan)


def _room_for(rank: int) -> int:
    """The smallest size of vLLM in which `rank` fits."""
    return next(size for size in _RANKS if size >= rank)
