"""`plan --trace`: parameters and activations of the model itself, beside what is told of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.cli.plan_page import page
from recipe_runner.cli.plan_trace import traced_plan
from recipe_runner.compiler.machine import machine
from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.pipeline import Compiled, compile_text
from recipe_runner.plan import decode, encode
from tests.runs.estimate.published import CONFIGS
from tests.tiny import tiny_tokenizer

pytestmark = pytest.mark.runs

GPU = "1xH100-80GB"
KNOWN = ("Llama-3.2-1B", "gemma-2-2b")
LORA = {"adapter": {"type": "lora", "r": 8}}
SMALL: Mapping[str, Any] = {
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "vocab_size": 4096,
}
EXPERTS = {
    "moe_intermediate_size": 128,
    "num_key_value_heads": 8,
    "n_routed_experts": 8,
    "n_group": 1,
    "topk_group": 1,
    "num_experts_per_tok": 2,
    "eos_token_id": 1,
}
# Families that no formula knows: with norms behind the layers, with a state beside attention, and
# with experts and keys of few dimensions.
UNKNOWN: Mapping[str, Mapping[str, Any]] = {
    "olmo2": {**SMALL, "eos_token_id": 1},
    "falcon_h1": SMALL,
    "deepseek_v3": {**SMALL, **EXPERTS},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import AutoConfig

    made = tmp_path_factory.mktemp("traced")
    (made / "rows.jsonl").write_text(json.dumps({"text": "a"}) + "\n", encoding="utf-8")
    models = {
        name: (CONFIGS[name][0], {**CONFIGS[name][1], "num_hidden_layers": 3}) for name in KNOWN
    }
    models |= {name: (name, dict(values)) for name, values in UNKNOWN.items()}
    for name, (family, values) in models.items():
        tiny_tokenizer(made / name)
        AutoConfig.for_model(family, **values).save_pretrained(made / name)
        (made / name / "model.safetensors").touch()
    return made


def compiled(folder: Path, model: str, changes: Mapping[str, Any], on: str = GPU) -> Compiled:
    recipe: dict[str, Any] = {
        "recipe": 1,
        "model": {"name_or_path": model},
        "data": {"train": "rows.jsonl", "max_length": 512},
        "algorithm": "sft",
        "training": {},
        "output_dir": "run",
    }
    for path, value in changes.items():
        section, _, field = path.partition(".")
        recipe[section] = {**recipe.get(section, {}), field: value} if field else value
    found = compile_text(json.dumps(recipe), "recipe.yaml", machine(on), cwd=folder)
    assert found.plan is not None, [each.message for each in found.report]
    return found


SWITCH, OPTIONS = "training.activation_checkpointing", "training.activation_checkpointing_kwargs"
WAYS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "in full": ({}, GPU),
    "on a CPU": ({}, "cpu"),
    "LoRA": (LORA, GPU),
    "LoRA, all again": ({**LORA, SWITCH: True}, GPU),
    "attention is kept": ({**LORA, SWITCH: True, OPTIONS: {"selective": True}}, GPU),
    "in the host": ({**LORA, SWITCH: True, OPTIONS: {"offload": True}}, GPU),
    "every second": ({SWITCH: True, OPTIONS: {"every_n_layers": 2}}, GPU),
    "written out": ({"model.attn_implementation": "eager"}, GPU),
    "with a mask": ({"speed": "off"}, GPU),
    "in shards": ({"launch.strategy": "fsdp"}, "2xH100-80GB"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("model", KNOWN)
def test_a_trace_finds_what_the_formula_tells(folder: Path, model: str, way: str) -> None:
    changes, on = WAYS[way]
    plan, findings = traced_plan(compiled(folder, model, changes, on))
    assert list(findings) == []
    assert plan.cost is not None
    traced = plan.cost.traced
    assert traced is not None
    assert traced.activations == plan.cost.memory.activations
    assert traced.difference is not None
    # The first layer of an adapter keeps less, of three.
    assert abs(traced.difference) < 0.06
    assert (traced.total, traced.trained) == (traced.told_total, traced.told_trained)
    assert decode(encode(plan)) == plan
    text = " ".join(page(plan, width=200).split())
    assert "the formula tells" in text
    assert "as its configuration tells" in text


@pytest.mark.parametrize("model", UNKNOWN)
def test_a_model_without_a_formula_has_a_cost(folder: Path, model: str) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    adapter = {"type": "lora", "target_modules": ["o_proj"]}
    found = compiled(folder, model, {"adapter": adapter})
    assert found.plan is not None
    assert found.plan.cost is None
    plan, findings = traced_plan(found)
    assert list(findings) == []
    assert plan.cost is not None
    assert plan.cost.traced is not None
    assert plan.cost.traced.by_formula is None
    real = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder / model))
    assert plan.cost.traced.total == sum(each.numel() for each in real.parameters())
    trained = plan.cost.traced.trained
    # The base in 16 bits, and the adapter in 32, with two numbers for each.
    assert plan.cost.memory.weights == 2 * plan.cost.traced.total + 4 * trained
    assert plan.cost.memory.optimizer == 8 * trained
    assert "no formula knows this model" in " ".join(page(plan, width=200).split())


def test_fewer_activations_are_traced_where_they_are_computed_again(folder: Path) -> None:
    long = {"data.max_length": 2048, "training.per_device_train_batch_size": 8}
    sizes = []
    for options in (None, {"every_n_layers": 2}, {"selective": True}, {}):
        way = {SWITCH: options is not None, OPTIONS: options or {}}
        plan, _ = traced_plan(compiled(folder, "olmo2", {**LORA, **long, **way}))
        assert plan.cost is not None
        sizes.append(plan.cost.memory.total)
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) > 2


def test_pictures_are_not_traced(folder: Path) -> None:
    from recipe_runner.execute.kept import Pass
    from recipe_runner.execute.looked_at import look_at

    plan = compiled(folder, "olmo2", {}).plan
    assert plan is not None
    sees = replace(plan.model, auto_class="transformers:AutoModelForImageTextToText")
    with pytest.raises(DiagnosticError) as caught:
        look_at(replace(plan, model=sees), Pass(1, 64))
    (finding,) = caught.value.diagnostics
    assert (finding.code.id, finding.severity) == ("RR618", "warning")
    assert "pictures" in finding.message


def test_what_peft_refuses_is_told_and_the_plan_stays(folder: Path) -> None:
    adapter = {"type": "lora", "target_modules": ["out_proj"]}
    found = compiled(folder, "falcon_h1", {"adapter": adapter})
    plan, findings = traced_plan(found)
    assert [each.code.id for each in findings] == ["RR618"]
    assert "Mamba" in findings[0].message
    assert plan == found.plan
