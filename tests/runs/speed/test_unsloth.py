"""Unsloth makes the model where its versions and the recipe allow it, and nothing else changes."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.runs

UNSLOTH = """
import torch
from transformers import AutoModelForCausalLM
from peft import LoraConfig, get_peft_model

calls = []

class FastLanguageModel:
    @staticmethod
    def from_pretrained(model_name, max_seq_length, dtype, load_in_4bit, load_in_8bit,
                        full_finetuning, trust_remote_code, use_gradient_checkpointing, revision,
                        use_exact_model_name, random_state):
        calls.append("from_pretrained")
        assert use_exact_model_name and not (load_in_4bit or load_in_8bit or trust_remote_code)
        return AutoModelForCausalLM.from_pretrained(model_name, dtype=torch.float32), None

    @staticmethod
    def get_peft_model(model, r, target_modules, lora_alpha, lora_dropout, bias,
                       layers_to_transform, layers_pattern, use_gradient_checkpointing,
                       random_state, use_rslora, modules_to_save, init_lora_weights):
        calls.append(f"get_peft_model r={r} of {sorted(target_modules)}")
        config = LoraConfig(r=r, target_modules=target_modules, lora_alpha=lora_alpha,
                            task_type="CAUSAL_LM")
        return get_peft_model(model, config)
"""
"""A package with the interface of Unsloth's loader, around transformers and PEFT."""


def plan_with(folder: Path, sections: dict[str, Any]) -> Any:
    """A plan for the CPU that lets Unsloth make the model, as one for a GPU would."""
    from dataclasses import replace

    from recipe_runner.compiler.machine import machine
    from recipe_runner.pipeline import compile_file
    from recipe_runner.plan import LeverPlan, SpeedPlan
    from tests.runs.algorithms.matrix import Case, recipe_of
    from tests.tiny import tiny_model

    folder.mkdir()
    model = tiny_model(folder / "model")
    file = recipe_of(Case("sft"), folder, model, model)
    given = {**json.loads(file.read_text(encoding="utf-8")), **sections}
    file.write_text(json.dumps(given), encoding="utf-8")
    plan = compile_file(str(file), machine("cpu"), cwd=folder).plan
    assert plan is not None
    return replace(plan, speed=SpeedPlan((LeverPlan("unsloth", "applied", "asked for"),)))


LORA = {"adapter": {"type": "lora", "r": 3, "target_modules": ["q_proj", "v_proj"]}}


@pytest.mark.parametrize("adapted", [False, True], ids=["full", "lora"])
def test_unsloth_makes_the_model_and_its_adapter(
    adapted: bool, put: Callable[..., None], tmp_path: Path
) -> None:
    from recipe_runner.execute.launch import launch
    from tests.runs.train.by_hand import Recorder

    put("unsloth", "unsloth", UNSLOTH, "2.0")
    put("unsloth_zoo", "unsloth_zoo", "", "2.0")
    plan = plan_with(tmp_path / "run", LORA if adapted else {})
    outcome = launch(plan, "", "", Recorder())
    assert outcome.status == "finished"
    calls = importlib.import_module("unsloth").calls
    assert calls == ["from_pretrained", "get_peft_model r=3 of ['q_proj', 'v_proj']"][: 1 + adapted]
    noted = json.loads((outcome.run_dir / "run.json").read_text(encoding="utf-8"))["speed"]
    assert noted[0]["did"] == (
        "the model and its adapter are unsloth 2.0's" if adapted else "the model is unsloth 2.0's"
    )
    assert (outcome.run_dir / "model" / "adapter_model.safetensors").exists() == adapted


@pytest.mark.parametrize(
    ("sections", "requires", "because"),
    [
        (
            {},
            'Requires-Dist: trl<=1.15.0,>=0.18.2; extra != "x"',
            "wants trl<=1.15.0,>=0.18.2, and",
        ),
        ({"adapter": {"type": "lora", "use_dora": True}}, "", "its LoRA has no use_dora"),
        ({"adapter": "ia3"}, "", "in full or with LoRA"),
    ],
    ids=["versions", "dora", "ia3"],
)
def test_where_unsloth_does_not_fit_the_model_is_made_as_always(
    sections: dict[str, Any],
    requires: str,
    because: str,
    put: Callable[..., None],
    tmp_path: Path,
) -> None:
    from recipe_runner.execute.speed.unsloth import make_model, why_not_for

    put("unsloth", "unsloth", UNSLOTH, "2.0")
    put("unsloth_zoo", "unsloth_zoo", "", "2.0")
    with (tmp_path / "unsloth-2.0.dist-info" / "METADATA").open("a", encoding="utf-8") as meta:
        meta.write(requires + "\n" if requires else "")
    plan = plan_with(tmp_path / "run", sections)
    assert because in str(why_not_for(plan))
    assert make_model(plan) is None
