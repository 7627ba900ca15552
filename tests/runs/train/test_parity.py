"""A run has the losses of a plain TRL script with the same data, arguments and seed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.execute.build import build
from recipe_runner.execute.launch import launch
from recipe_runner.plan import Call, Plan
from tests.runs.train.by_hand import BY_HAND, FOUR_BIT, LORA, RECIPE, Recorder, plan_for

pytestmark = pytest.mark.runs

CASES: dict[str, dict[str, Any]] = {
    "full": {},
    "lora": {"adapter": LORA},
    "qlora": {"adapter": LORA, "quantization": FOUR_BIT},
    "accumulation": {
        "arguments": {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
    },
}


def plain_trl(plan: Plan, model: Path, folder: Path) -> list[dict[str, float]]:
    """What somebody would write by hand; TRL loads the model and prepares the rows itself."""
    import datasets
    from transformers import AutoTokenizer
    from trl import SFTTrainer

    lines = Path(plan.data.train[0].path).read_text(encoding="utf-8").splitlines()
    arguments = Call(
        plan.arguments.target,
        {
            **plan.arguments.arguments,
            "output_dir": str(folder),
            "save_strategy": "no",
            "disable_tqdm": True,
            "model_init_kwargs": {"dtype": "float32", "attn_implementation": "sdpa"},
        },
    )
    trainer = SFTTrainer(
        model=str(model),
        args=build(arguments),
        train_dataset=datasets.Dataset.from_list([json.loads(line) for line in lines]),
        processing_class=AutoTokenizer.from_pretrained(model),
        peft_config=None if plan.adapter is None else build(plan.adapter),
        quantization_config=None if plan.quantization is None else build(plan.quantization),
    )
    trainer.train()
    return [row for row in trainer.state.log_history if "loss" in row]


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES.keys())
def test_losses_are_those_of_a_plain_trl_script(
    changes: dict[str, Any], model: Path, tmp_path: Path
) -> None:
    plan = plan_for(model, tmp_path, **changes)
    launch(plan, RECIPE, RECIPE, Recorder(), suppliers=BY_HAND)
    rows = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ours = [row for row in map(json.loads, rows) if row["kind"] == "train"]
    theirs = plain_trl(plan, model, tmp_path / "trl")
    assert len(ours) == len(theirs) == 8
    for mine, other in zip(ours, theirs, strict=True):
        # The 4-bit path multiplies in float32 as well, so one tolerance serves all cases.
        assert mine["loss"] == pytest.approx(other["loss"], abs=1e-6)
        assert mine["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-5)
        assert mine["num_tokens"] == other["num_tokens"]
