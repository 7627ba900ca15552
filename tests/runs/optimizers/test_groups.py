"""Groups of parameters train at their own rates, as a plain script with the same groups has it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.launch import launch
from recipe_runner.plan import Call, OptimizerPlan, Plan, RateGroup
from tests.runs.optimizers.menu import run
from tests.runs.train.by_hand import (
    BY_HAND,
    LORA,
    RECIPE,
    Recorder,
    losses,
    plan_for,
    tokenized,
)
from tests.tiny import tiny_model

pytestmark = pytest.mark.runs

RATE, RATIO, EMBEDDINGS = 1e-3, 16.0, 1e-6
STEPS = 4
STILL = {"max_steps": STEPS, "save_strategy": "no", "learning_rate": RATE}
DRY_LORA = Call(LORA.target, {**LORA.arguments, "lora_dropout": 0.0})
LORAPLUS = (
    RateGroup(r"\.lora_embedding_[AB]\.", EMBEDDINGS, None, "training.loraplus_lr_ratio", False),
    RateGroup(r"\.lora_B\.", RATE * RATIO, None, "training.loraplus_lr_ratio"),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny") / "model")


def trained(plan: Plan, groups: Sequence[RateGroup] = ()) -> dict[int, float]:
    optimizer = OptimizerPlan(tuple(groups)) if groups else None
    plan = dataclasses.replace(plan, optimizer=optimizer)
    launch(plan, RECIPE, RECIPE, Recorder(), overwrite=True, suppliers=BY_HAND)
    return losses(Path(plan.outputs.run_dir))


def rows_of(run: Path) -> list[dict[str, Any]]:
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["kind"] == "train"]


def by_plain_script(plan: Plan, folder: Path) -> dict[int, float]:
    """TRL with the optimizer that PEFT makes for LoRA+, and no line of ours."""
    from peft import LoraConfig, get_peft_model
    from peft.optimizers import create_loraplus_optimizer
    from torch.optim import AdamW
    from transformers import AutoModelForCausalLM, AutoTokenizer, get_scheduler, set_seed
    from trl import SFTConfig, SFTTrainer

    tokenizer = AutoTokenizer.from_pretrained(plan.model.name_or_path)
    arguments = SFTConfig(**{**plan.arguments.arguments, "output_dir": str(folder)})
    set_seed(plan.seed)
    base = AutoModelForCausalLM.from_pretrained(plan.model.name_or_path, dtype="float32")
    set_seed(plan.seed)
    adapted = get_peft_model(base, LoraConfig(**DRY_LORA.arguments))
    optimizer = create_loraplus_optimizer(
        adapted, AdamW, lr=RATE, loraplus_lr_ratio=RATIO, loraplus_lr_embedding=EMBEDDINGS
    )
    schedule = get_scheduler("cosine", optimizer, num_warmup_steps=2, num_training_steps=STEPS)
    trainer = SFTTrainer(
        adapted,
        args=arguments,
        train_dataset=tokenized(plan.data.train[0].path, tokenizer),
        processing_class=tokenizer,
        optimizers=(optimizer, schedule),
    )
    trainer.train()
    return {row["step"]: row["loss"] for row in trainer.state.log_history if "loss" in row}


def test_lora_plus_has_the_losses_of_pefts_own_optimizer(model: Path, tmp_path: Path) -> None:
    plan = plan_for(model, tmp_path, adapter=DRY_LORA, arguments=STILL)
    ours = trained(plan, LORAPLUS)
    theirs = by_plain_script(plan, tmp_path / "plain")
    assert ours == pytest.approx(theirs, abs=2e-5)
    assert ours != pytest.approx(trained(plan), abs=2e-4)


def test_rates_follow_the_schedule_in_proportion_and_are_logged(
    model: Path, tmp_path: Path
) -> None:
    plan = plan_for(model, tmp_path, arguments=STILL)
    trained(
        plan, [RateGroup("embed_tokens|lm_head", RATE / 10, 0.0, "training.parameter_groups.0")]
    )
    for row in rows_of(tmp_path / "run"):
        group = row["learning_rate/embed_tokens|lm_head"]
        assert group == pytest.approx(row["learning_rate"] / 10)


def test_a_group_like_the_rest_changes_no_loss(model: Path, tmp_path: Path) -> None:
    plan = plan_for(model, tmp_path, arguments=STILL)
    alike = RateGroup("mlp", RATE, None, "training.parameter_groups.0")
    assert trained(plan, [alike]) == trained(plan)


def test_a_run_with_groups_resumes_exactly(model: Path, tmp_path: Path) -> None:
    groups = [{"pattern": "mlp", "learning_rate": 1e-2}, {"pattern": "norm", "weight_decay": 0.5}]
    result = run("adamw_torch", tmp_path, model, parameter_groups=groups, weight_decay=0.1)
    assert result.works, str(result)


@pytest.mark.parametrize(
    ("groups", "says"),
    [
        (("embed_token$",), "'embed_token$', which finds none of the 21 parameters"),
        (("mlp", "up_proj"), "'up_proj', whose parameters are all in an earlier group"),
    ],
    ids=["nothing", "taken"],
)
def test_a_group_without_a_parameter_ends_the_run(
    groups: Sequence[str], says: str, model: Path, tmp_path: Path
) -> None:
    plan = plan_for(model, tmp_path, arguments=STILL)
    with pytest.raises(DiagnosticError) as raised:
        trained(plan, [RateGroup(pattern, 1e-4, None, "x") for pattern in groups])
    assert raised.value.diagnostics[0].code.id == "RR713"
    assert says in raised.value.diagnostics[0].message
