"""A saved adapter gives the same model in plain peft as it was in the run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.execute.build import build
from recipe_runner.execute.launch import launch
from recipe_runner.plan import Call, MonitorPlan, ScorePlan
from tests.runs.train.by_hand import (
    BY_HAND,
    FOUR_BIT,
    LORA,
    RECIPE,
    Recorder,
    chats,
    losses,
    plan_for,
)

pytestmark = pytest.mark.runs


@pytest.fixture(scope="module")
def wide(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose sizes are multiples of 64: bitsandbytes' CPU inference takes no others."""
    import shutil

    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    target = tmp_path_factory.mktemp("wide") / "model"
    shutil.copytree(model, target)
    config = AutoConfig.from_pretrained(model, intermediate_size=128)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(target)
    return target


@pytest.mark.parametrize("quantization", [None, FOUR_BIT], ids=["lora", "qlora"])
def test_adapter_loads_with_plain_peft_and_answers_the_same(
    quantization: Any, wide: Path, tmp_path: Path
) -> None:
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoTokenizer

    plan = plan_for(
        wide,
        tmp_path,
        adapter=LORA,
        quantization=quantization,
        arguments={"max_steps": 12, "learning_rate": 2e-2},
        monitor=MonitorPlan(score=ScorePlan(rows=4, max_new_tokens=6, batch_size=1, show=4)),
    )
    held_out = chats(tmp_path / "eval.jsonl", rows=4, seed=1)
    source = dataclasses.replace(plan.data.train[0], path=str(held_out), files=(str(held_out),))
    plan = dataclasses.replace(plan, data=dataclasses.replace(plan.data, eval=(source,)))
    outcome = launch(plan, RECIPE, RECIPE, Recorder(), suppliers=BY_HAND)
    assert outcome.model is not None
    assert outcome.scored is not None

    tokenizer = AutoTokenizer.from_pretrained(outcome.model)
    options = {} if quantization is None else {"quantization_config": build(quantization)}
    loaded = AutoPeftModelForCausalLM.from_pretrained(
        outcome.model, dtype="float32", is_trainable=False, **options
    ).eval()
    answers = []
    for row in BY_HAND.conversations(plan, None, 4):
        prompt = tokenizer.apply_chat_template(
            row[:-1], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        made = loaded.generate(**prompt, do_sample=False, max_new_tokens=6)
        answers.append(
            tokenizer.decode(made[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
        )
    assert answers == [sample.after for sample in outcome.scored.samples]
    assert answers != [sample.before for sample in outcome.scored.samples]


def test_evaluation_does_not_change_the_training_of_a_4_bit_model(
    wide: Path, tmp_path: Path
) -> None:
    # Dropout is off: reading evaluation rows draws a random number, as in any Trainer.
    adapter = Call(LORA.target, {**LORA.arguments, "lora_dropout": 0.0})
    curves = []
    for name, extra in (("without", {}), ("with", {"eval_strategy": "steps", "eval_steps": 2})):
        folder = tmp_path / name
        folder.mkdir()
        plan = plan_for(wide, folder, adapter=adapter, quantization=FOUR_BIT, arguments=dict(extra))
        held_out = chats(folder / "eval.jsonl", rows=4, seed=1)
        source = dataclasses.replace(plan.data.train[0], path=str(held_out))
        data = dataclasses.replace(plan.data, eval=(source,))
        plan = dataclasses.replace(plan, data=data)
        launch(plan, RECIPE, RECIPE, Recorder(), suppliers=BY_HAND)
        curves.append(losses(folder / "run"))
    assert curves[0] == curves[1]
