"""What the plan tells of activations is what autograd keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.compiler.compile_run import run_of
from recipe_runner.compiler.estimate.activations import kept_at_ends, kept_by_layers
from recipe_runner.compiler.estimate.kept import copies
from recipe_runner.compiler.machine import machine
from recipe_runner.pipeline import compile_text
from tests.runs.estimate.published import CONFIGS
from tests.tiny import tiny_tokenizer

pytestmark = pytest.mark.runs

MODELS = (
    "Llama-3.2-1B",
    "Mistral-7B-v0.1",
    "Qwen2.5-7B",
    "Qwen3-0.6B",
    "Phi-3-mini",
    "gemma-2-2b",
    "gemma-3-1b",
    "pythia-160m",
    "gpt2",
    "opt-125m",
)
EXPERTS = ("Mixtral-8x7B", "Qwen3-30B-A3B")
"""Models whose experts are traced in 16 bits only: fake tensors know their product in no other."""

LORA = {"type": "lora", "r": 16}
DROPPING = {**LORA, "lora_dropout": 0.05}
FEW = {
    **LORA,
    "target_modules": r".*(q_proj|qkv_proj|query_key_value|c_attn|down_proj|4h_to_h|fc2)",
}
GPU = "1xH100-80GB"

CASES: Mapping[str, tuple[Mapping[str, Any], str, bool]] = {
    "full, float32": ({}, "cpu", True),
    "full, bfloat16": ({"model.dtype": "bfloat16"}, "cpu", True),
    "full, float32 cast": ({}, GPU, True),
    "LoRA, float32": ({"adapter": LORA}, "cpu", True),
    "LoRA, as PEFT casts": ({"adapter": LORA}, GPU, True),
    "LoRA, not cast": ({"adapter": LORA}, GPU, False),
    "LoRA, bfloat16": ({"adapter": LORA, "model.dtype": "bfloat16"}, "cpu", True),
    "LoRA, dropout on a GPU": ({"adapter": DROPPING}, GPU, True),
    "LoRA, dropout, not cast": ({"adapter": DROPPING}, GPU, False),
    "LoRA, dropout on a CPU": ({"adapter": DROPPING}, "cpu", True),
    "LoRA on some layers": ({"adapter": FEW}, GPU, True),
}

AFFINE = ("pythia-160m", "gpt2", "opt-125m")
"""Models whose norms subtract a mean: on a GPU autocast computes them in float32, not in a trace."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import AutoConfig

    made = tmp_path_factory.mktemp("saved")
    (made / "rows.jsonl").write_text(json.dumps({"text": "a"}) + "\n", encoding="utf-8")
    for name in (*MODELS, *EXPERTS):
        family, values = CONFIGS[name]
        tiny_tokenizer(made / name)
        AutoConfig.for_model(family, **values).save_pretrained(made / name)
        (made / name / "model.safetensors").touch()
    return made


def _compare(
    folder: Path,
    model: str,
    changes: Mapping[str, Any],
    on: str,
    *,
    casts_inputs: bool = True,
    fused: bool = False,
    segments: bool = False,
) -> None:
    from recipe_runner.execute import fake
    from recipe_runner.execute.saved import saved

    recipe: dict[str, Any] = {
        "recipe": 1,
        "model": {"name_or_path": model},
        "data": {"train": "rows.jsonl"},
        "algorithm": "sft",
        "output_dir": "run",
    }
    for path, value in changes.items():
        section, _, field = path.partition(".")
        if field:
            recipe[section][field] = value
        else:
            recipe[section] = value
    compiled = compile_text(json.dumps(recipe), "recipe.yaml", machine(on), cwd=folder)
    assert compiled.plan is not None, [each.message for each in compiled.report]
    assert compiled.resolved is not None
    run = run_of(compiled.resolved)
    assert run is not None
    if segments:
        # Gemma 2 caps its scores, which no fused attention does.
        assert run.forward.segments == (model != "gemma-2-2b")
    how = {"masked": False, "casts_inputs": casts_inputs, "fused": fused, "segments": segments}
    forward = replace(run.forward, **how)
    run = replace(run, forward=forward)
    attention = fake.SEGMENTS if segments else fake.FUSED
    traced = saved(compiled.plan, casts_inputs=casts_inputs, keeps_less=fused, attention=attention)
    told = kept_by_layers(run.architecture, run.trained, forward)
    assert told[-1] == pytest.approx(traced.layer, rel=0.01)
    if run.trained.ranks or run.architecture.has_experts:
        return
    layer = copies(run) / run.architecture.num_layers
    assert layer == pytest.approx(traced.copies, rel=0.01, abs=50_000)
    if model not in AFFINE:
        ends = kept_at_ends(run.architecture, run.trained, forward)
        assert ends == pytest.approx(traced.rest, rel=0.01)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("model", MODELS)
def test_layers_keep_what_the_formula_tells(folder: Path, model: str, case: str) -> None:
    changes, on, casts_inputs = CASES[case]
    if model in AFFINE and on == GPU:
        pytest.skip("a trace on a CPU keeps these norms in 16 bits")
    _compare(folder, model, changes, on, casts_inputs=casts_inputs)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("model", MODELS)
def test_fused_layers_keep_what_the_formula_tells(folder: Path, model: str, case: str) -> None:
    changes, on, casts_inputs = CASES[case]
    if model in AFFINE and on == GPU:
        pytest.skip("a trace on a CPU keeps these norms in 16 bits")
    _compare(folder, model, changes, on, casts_inputs=casts_inputs, fused=True)


SEGMENTED = {
    **{name: changes for name, (changes, on, _) in CASES.items() if on == "cpu"},
    "LoRA on some layers": {"adapter": FEW},
    "LoRA on some layers, bfloat16": {"adapter": FEW, "model.dtype": "bfloat16"},
}


@pytest.mark.parametrize("case", SEGMENTED)
@pytest.mark.parametrize("model", MODELS)
def test_attention_in_segments_keeps_what_the_formula_tells(
    folder: Path, model: str, case: str
) -> None:
    _compare(folder, model, SEGMENTED[case], "cpu", segments=True)


@pytest.mark.parametrize("adapted", [False, True])
@pytest.mark.parametrize("model", EXPERTS)
def test_experts_keep_what_the_formula_tells(folder: Path, model: str, adapted: bool) -> None:
    on_attention = {"type": "lora", "r": 16, "target_modules": ["q_proj", "v_proj"]}
    changes = {"model.dtype": "bfloat16", "adapter": on_attention if adapted else None}
    _compare(folder, model, changes, "cpu")
