"""What a run leaves on disk, and how it goes on from there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.runs.ppo import toy

pytestmark = pytest.mark.runs

STEADY = {"kl_target": 0.05, "kl_horizon": 400.0}
"""Options under which the weight of the distance changes with every round."""


def lora() -> Any:
    from peft import LoraConfig

    return LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", lora_dropout=0.1)


def build(folder: Path, out: Path, **changes: Any) -> Any:
    """A run of eight steps, in rounds of four, with a batch of two micro-batches."""
    return toy.trainer(
        "ppo",
        folder,
        output_dir=str(out),
        options=STEADY,
        **{
            "max_steps": 8,
            "num_iterations": 4,
            "per_device_train_batch_size": 8,
            "gradient_accumulation_steps": 2,
            "save_strategy": "steps",
            "save_steps": 2,
            **changes,
        },
    )


def logged(trainer: Any) -> list[dict[str, float]]:
    """What was logged at each step, but for times."""
    rows = [row for row in trainer.state.log_history if "loss" in row]
    return [{k: v for k, v in row.items() if "time" not in k} for row in rows]


def weights(trainer: Any) -> dict[str, Any]:
    return {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}


@pytest.mark.parametrize("adapter", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("step", [2, 4], ids=["within a round", "between rounds"])
def test_resumed_run_ends_as_one_that_was_never_interrupted(
    model: Path, tmp_path: Path, adapter: bool, step: int
) -> None:
    import torch

    more = {"peft_config": lora()} if adapter else {}
    whole = build(model, tmp_path / "whole", **more)
    whole.train()
    resumed = build(model, tmp_path / "resumed", **more)
    with torch.no_grad():  # everything has to come from the checkpoint
        resumed.value_head.linear.weight.fill_(7.0)
    resumed.kl_coef = 99.0
    resumed.train(resume_from_checkpoint=str(tmp_path / "whole" / f"checkpoint-{step}"))
    assert logged(resumed) == logged(whole)
    assert resumed.kl_coef == whole.kl_coef != 0.01
    expected = weights(whole)
    for name, weight in weights(resumed).items():
        torch.testing.assert_close(weight, expected[name], rtol=0, atol=0, msg=name)
    assert (
        weights(whole)[
            "base_model.model.value_head.linear.bias" if adapter else "value_head.linear.bias"
        ].item()
        != 0
    )


def test_resumed_run_takes_up_the_order_of_its_epoch(model: Path, tmp_path: Path) -> None:
    # A round has two of eight prompts: the second epoch begins after step 8.
    more: dict[str, Any] = {"train_dataset": toy.prompts(8), "num_iterations": 2, "max_steps": 14}
    whole = build(model, tmp_path / "whole", **more)
    whole.train()
    resumed = build(model, tmp_path / "resumed", **more)
    resumed.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-10"))
    assert whole.state.log_history[9]["epoch"] > 1
    assert logged(resumed) == logged(whole)


def test_saved_model_is_the_plain_policy_with_the_head_beside_it(
    model: Path, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    trainer = build(model, tmp_path / "out")
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    assert (
        load_file(tmp_path / "saved" / "model.safetensors").keys()
        == load_file(model / "model.safetensors").keys()
    )
    again, loading = AutoModelForCausalLM.from_pretrained(
        tmp_path / "saved", output_loading_info=True
    )
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    ids = torch.tensor([[5, 2, 5, 5]])
    torch.testing.assert_close(again(ids).logits, trainer.model(ids).logits)
    head = load_file(tmp_path / "saved" / "value_head.safetensors")
    assert head.keys() == {"linear.weight", "linear.bias"}
    torch.testing.assert_close(head["linear.weight"], trainer.value_head.linear.weight.detach())
    assert hasattr(trainer.model, "value_head"), "it is back after saving"


def test_adapter_is_saved_without_the_head_and_trains_nothing_else(
    model: Path, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    trainer = build(model, tmp_path / "out", peft_config=lora())
    before = weights(trainer)
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    changed = {n for n, w in weights(trainer).items() if not torch.equal(w, before[n])}
    assert any("value_head" in name for name in changed)
    assert all("lora_" in name or "value_head" in name for name in changed)
    saved = load_file(tmp_path / "saved" / "adapter_model.safetensors")
    assert all("lora_" in name for name in saved)
    assert (tmp_path / "saved" / "value_head.safetensors").is_file()
    base = AutoModelForCausalLM.from_pretrained(model)
    again = PeftModel.from_pretrained(base, tmp_path / "saved")
    ids = torch.tensor([[5, 2, 5, 5]])
    trainer.model.eval()
    torch.testing.assert_close(again(ids).logits, trainer.model(ids).logits)


def test_adapter_is_compared_with_the_model_below_it(model: Path, tmp_path: Path) -> None:
    trainer = build(model, tmp_path, peft_config=lora())
    assert trainer.ref_model is None
    trainer.train()
    first, *_, last = [row["objective/kl"] for row in logged(trainer) if "objective/kl" in row]
    assert first == pytest.approx(0, abs=1e-6), "an untrained adapter changes nothing"
    assert abs(last) > 1e-4


def test_best_checkpoint_brings_its_head_along(model: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    trainer = build(
        model,
        tmp_path,
        eval_strategy="steps",
        eval_steps=2,
        per_device_eval_batch_size=20,
        load_best_model_at_end=True,
        metric_for_best_model="eval_completions/mean_length",
        greater_is_better=True,
        learning_rate=0.1,  # so that the end is not the best
    )
    trainer.train()
    best = Path(trainer.state.best_model_checkpoint)
    assert best.name != "checkpoint-8"
    kept = load_file(best / "value_head.safetensors")["linear.weight"]
    torch.testing.assert_close(trainer.value_head.linear.weight.detach(), kept)
    last = load_file(tmp_path / "checkpoint-8" / "value_head.safetensors")["linear.weight"]
    assert not torch.equal(kept, last)


def test_another_batch_size_begins_the_round_anew(model: Path, tmp_path: Path) -> None:
    build(model, tmp_path / "whole").train()
    other = build(
        model,
        tmp_path / "other",
        per_device_train_batch_size=16,
        gradient_accumulation_steps=1,
    )
    other.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-2"))
    state = json.loads((tmp_path / "whole" / "checkpoint-2" / "trainer_state.json").read_text())
    assert other.state.global_step == 8
    assert "reward" in other.state.log_history[len(state["log_history"])]
