"""Runs that have ended with an adapter in them, without a training: its weights are drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recipe_runner.components.adapter import Setting
from recipe_runner.components.base import create
from recipe_runner.execute.finished import FinishedRun, open_run
from recipe_runner.execute.merge import Merged, Wish, merge
from recipe_runner.plan import Call, Plan
from tests.finished import finished_run
from tests.runs.train.by_hand import plan_for
from tests.tiny import tiny_tokenizer

AXIS = "recipe_runner.components.adapters"
LORA: Mapping[str, Any] = {"type": "lora", "r": 4, "lora_alpha": 8.0}


def adapter_call(options: Mapping[str, Any], tokenizer: str = "", task: str = "causal_lm") -> Call:
    """The adapter of a recipe, as a plan has it."""
    call: Call = create(AXIS, options).compile(Setting(task, 20, tokenizer))
    return call


def decoder(
    folder: Path, family: str = "llama", dtype: str = "float32", shard: str = "5GB", **sizes: Any
) -> Path:
    """Write a random decoder of two layers with other `sizes`, and return `folder`."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = tiny_tokenizer(folder)
    plain = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 512,
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **{**plain, **sizes})
    model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))
    model.save_pretrained(folder, max_shard_size=shard)
    return folder


def adapted_run(
    folder: Path, base: Path, adapter: Mapping[str, Any] | Call = LORA, **changes: Any
) -> FinishedRun:
    """A run below `folder` whose adapter is put on `base` as a run does it, and then shaken.

    `dtype` among the changes is the type in which the run loads its base, `add_tokens` what
    its tokenizer adds, `auto_class` what the base is; others are fields of the plan.
    """
    import torch
    from peft import get_peft_model

    from recipe_runner.execute.build import build
    from recipe_runner.execute.model import load_model
    from recipe_runner.execute.tokenizer import load_tokenizer

    folder.mkdir(exist_ok=True)
    call = adapter if isinstance(adapter, Call) else adapter_call(adapter, str(base))
    dtype, added = changes.pop("dtype", "float32"), changes.pop("add_tokens", ())
    auto_class = changes.pop("auto_class", "transformers:AutoModelForCausalLM")
    plan = plan_for(base, folder, adapter=call, **changes)
    load = {"dtype": dtype, "attn_implementation": None}
    plan = dataclasses.replace(
        plan,
        model=dataclasses.replace(plan.model, load=load, auto_class=auto_class),
        tokenizer=dataclasses.replace(plan.tokenizer, add_tokens=tuple(added)),
    )
    run = finished_run(folder / "run", plan)
    tokenizer = load_tokenizer(plan.tokenizer)
    model = load_model(plan, tokenizer)
    torch.manual_seed(0)
    adapted: Any = get_peft_model(model, build(call))
    shake(adapted)
    adapted.save_pretrained(run.model)
    tokenizer.save_pretrained(run.model)
    return open_run(run.path)


def shake(model: Any) -> None:
    """Move what trains, as a training would."""
    import torch

    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad and weight.dtype.is_floating_point:
                weight.add_(torch.randn(weight.shape, generator=draw).to(weight.dtype) * 0.05)


def merged(finished: FinishedRun, wish: Wish | None = None, **options: Any) -> Merged:
    """Merge without a word."""
    said = options.pop("said", [])
    return merge(finished, wish or Wish(), told=said.append, meter=_unseen, **options)


def _unseen(done: int, total: int) -> None: ...


def with_adapter(finished: FinishedRun) -> Any:
    """Base and adapter, as plain PEFT loads them."""
    from peft import PeftModel

    return PeftModel.from_pretrained(_base(finished.plan), str(finished.run.model)).eval()


def _base(plan: Plan) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    dtype = getattr(torch, plan.model.load["dtype"])
    return AutoModelForCausalLM.from_pretrained(plan.model.name_or_path, dtype=dtype)


def answers(model: Any) -> Any:
    """Logits on three rows of tokens."""
    import torch

    draw = torch.Generator().manual_seed(2)
    ids = torch.randint(300, (3, 20), generator=draw)
    with torch.no_grad():
        return model(input_ids=ids).logits.float()


def stored(folder: Path) -> dict[str, Any]:
    """All tensors of a folder's safetensors, by their names there."""
    from safetensors.torch import load_file

    found: dict[str, Any] = {}
    for path in sorted(folder.glob("*.safetensors")):
        found |= load_file(path)
    return found
