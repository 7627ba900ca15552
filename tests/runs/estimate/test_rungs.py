"""What layers keep that are computed again is what the formula tells, and so is what is done again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.compiler.compile_run import run_of
from recipe_runner.compiler.estimate.kept import told
from recipe_runner.compiler.machine import machine
from recipe_runner.pipeline import Compiled, compile_text
from tests.runs.estimate.published import CONFIGS
from tests.tiny import tiny_model, tiny_tokenizer

pytestmark = pytest.mark.runs

TOKENS, LAYERS = 256, 5
MODELS = ("Llama-3.2-1B", "Qwen3-0.6B", "gemma-2-2b")
LORA = {"adapter": {"type": "lora", "r": 16}}
LAST = {"model.trainable": {"last_layers": 1}}
RUNGS: Mapping[str, Mapping[str, Any] | None] = {
    "none": None,
    "all": {},
    "every second": {"every_n_layers": 2},
    "every third": {"every_n_layers": 3},
    "all but attention": {"selective": True},
    "every fourth but its attention": {"selective": True, "every_n_layers": 4},
}
TRAINS: Mapping[str, Mapping[str, Any]] = {"in full": {}, "LoRA": LORA, "the last layer": LAST}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import AutoConfig

    made = tmp_path_factory.mktemp("rungs")
    (made / "rows.jsonl").write_text(json.dumps({"text": "a"}) + "\n", encoding="utf-8")
    for name in MODELS:
        family, values = CONFIGS[name]
        tiny_tokenizer(made / name)
        config = AutoConfig.for_model(family, **{**values, "num_hidden_layers": LAYERS})
        config.save_pretrained(made / name)
        (made / name / "model.safetensors").touch()
    tiny_model(made / "tiny")
    return made


def compiled(
    folder: Path, model: str, rung: Mapping[str, Any] | None, changes: Mapping[str, Any], on: str
) -> Compiled:
    recipe: dict[str, Any] = {
        "recipe": 1,
        "model": {"name_or_path": model},
        "data": {"train": "rows.jsonl"},
        "algorithm": "sft",
        "training": {
            "activation_checkpointing": rung is not None,
            "activation_checkpointing_kwargs": rung or {},
        },
        "output_dir": "run",
    }
    for path, value in changes.items():
        section, _, field = path.partition(".")
        recipe[section] = {**recipe[section], field: value} if field else value
    found = compile_text(json.dumps(recipe), "recipe.yaml", machine(on), cwd=folder)
    assert found.plan is not None, [each.message for each in found.report]
    return found


@pytest.mark.parametrize("trains", TRAINS)
@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("model", MODELS)
def test_each_rung_keeps_what_the_formula_tells(
    folder: Path, model: str, rung: str, trains: str
) -> None:
    from recipe_runner.execute.kept import Pass, kept

    found = compiled(folder, model, RUNGS[rung], TRAINS[trains], "1xH100-80GB")
    assert found.plan is not None
    assert found.resolved is not None
    run = run_of(found.resolved)
    assert run is not None
    forward = replace(run.forward, length=TOKENS)
    run = replace(run, tokens=TOKENS, forward=forward)
    one = Pass(
        1,
        TOKENS,
        masked=forward.masked,
        segments=forward.segments,
        casts_inputs=forward.casts_inputs,
    )
    traced = kept(found.plan, one, recomputes=RUNGS[rung] is not None)
    # Gradients of an adapter do not reach the input of the first layer; what the last one gives is
    # the last norm's.
    assert traced.layers[1:-1] == pytest.approx(told(run).held[1:-1], rel=0.01)


@pytest.mark.parametrize("adapted", [False, True])
@pytest.mark.parametrize("rung", [name for name in RUNGS if name != "none"])
def test_a_pass_does_again_what_its_rung_says(folder: Path, rung: str, adapted: bool) -> None:
    """Layers and attentions are counted while gradients come down, on real numbers."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    from recipe_runner.execute.build import build
    from recipe_runner.execute.model import load_model
    from recipe_runner.execute.recomputed import for_trainer, recompute
    from recipe_runner.execute.tokenizer import load_tokenizer

    options = RUNGS[rung] or {}
    plan = compiled(folder, "tiny", options, LORA if adapted else {}, "cpu").plan
    assert plan is not None

    class Counting(TorchDispatchMode):
        """Counts attentions and products."""

        attentions = products = 0

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            del types
            self.attentions += "scaled_dot_product" in str(func) and "backward" not in str(func)
            self.products += func in (torch.ops.aten.mm.default, torch.ops.aten.addmm.default)
            return func(*args, **(kwargs or {}))

    model = load_model(plan, load_tokenizer(plan.tokenizer))
    layers = model.config.num_hidden_layers
    recompute(model, plan)
    if plan.adapter is not None:
        from peft import get_peft_model

        model = get_peft_model(model, build(plan.adapter))
    model.train()
    for_upstream = for_trainer(plan) or {"activation_checkpointing_kwargs": options}
    assert "selective" not in for_upstream["activation_checkpointing_kwargs"]
    given = dict(for_upstream["activation_checkpointing_kwargs"])
    every = given.pop("every_n_layers", 1)
    tokens = torch.arange(12)[None]
    model(input_ids=tokens, use_cache=False).logits.sum().backward()
    usual = {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}
    model.zero_grad()
    # Trainers turn it off for a moment, and on again with all options in one place.
    model.activation_checkpointing_enable(given or None, every_n_layers=every)
    model.gradient_checkpointing_disable()
    model.gradient_checkpointing_enable(for_upstream["activation_checkpointing_kwargs"])
    with Counting() as forth:
        end = model(input_ids=tokens, use_cache=False).logits.sum()
    with Counting() as back:
        end.backward()
    again = -(-layers // every)
    assert forth.attentions == layers
    assert back.attentions == (0 if options.get("selective") else again)
    assert back.products > 0
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, usual[name], rtol=1e-5, atol=1e-7)
