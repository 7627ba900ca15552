"""The loss is that of all steps of an optimizer step, metrics are those of all rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.runs.prm.judges import by_hand, judge_of, logged, rows, trainer_of

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.runs


def lora(**changes: Any) -> Any:
    from peft import LoraConfig

    options = {"r": 4, "target_modules": "all-linear", "task_type": "TOKEN_CLS", **changes}
    return LoraConfig(**options)


def weights(model: Any) -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def test_the_loss_is_the_cross_entropy_of_the_steps(tiny_llama: Path, tmp_path: Path) -> None:
    import torch

    model = judge_of(tiny_llama)
    trainer = trainer_of(tmp_path, model)
    batch = trainer.data_collator(rows())
    steps = sum(label != -100 for row in rows() for label in row["labels"])
    expected = by_hand(model, rows()).loss
    model.train()
    assert trainer.compute_loss(model, batch).item() == pytest.approx(expected, rel=1e-5)
    of_more = trainer.compute_loss(model, batch, num_items_in_batch=torch.tensor(steps * 3))
    assert of_more.item() == pytest.approx(expected / 3, rel=1e-5)


def test_smoothed_labels_are_those_of_the_formula(tiny_llama: Path, tmp_path: Path) -> None:
    model = judge_of(tiny_llama)
    trainer = trainer_of(tmp_path, model, label_smoothing_factor=0.5)
    expected = by_hand(model, rows(), smoothing=0.5)
    assert abs(expected.loss - by_hand(model, rows()).loss) > 0.01
    trainer.train()
    assert logged(trainer)[0]["loss"] == pytest.approx(expected.loss, abs=2e-4)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(
        by_hand(model, rows(), smoothing=0.5).loss, rel=1e-4
    )


@pytest.mark.parametrize(("batch", "accumulation"), [(8, 1), (2, 4), (1, 8)])
def test_steps_weigh_alike_however_rows_are_accumulated(
    tiny_llama: Path, tmp_path: Path, batch: int, accumulation: int
) -> None:
    model = judge_of(tiny_llama)
    expected = by_hand(model, rows())
    trainer = trainer_of(
        tmp_path,
        model,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulation,
    )
    trainer.train()
    first, second = logged(trainer)
    assert first["loss"] == pytest.approx(expected.loss, abs=2e-4)
    assert first["accuracy"] == pytest.approx(expected.accuracy)
    assert first["answer_accuracy"] == pytest.approx(expected.answer_accuracy)
    # All rows are one step, so the second is taken after the same update.
    whole = judge_of(tiny_llama)
    other = trainer_of(tmp_path, whole)
    other.train()
    assert second["loss"] == pytest.approx(logged(other)[1]["loss"], rel=1e-3)
    tokens = sum(len(row["input_ids"]) for row in rows())
    assert [row["num_tokens"] for row in logged(trainer)] == [tokens, 2 * tokens]


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_an_evaluation_is_of_all_rows_however_they_are_batched(
    tiny_llama: Path, tmp_path: Path, batch: int
) -> None:
    model = judge_of(tiny_llama)
    expected = by_hand(model, rows())
    assert 0 < expected.answer_accuracy < expected.accuracy < 1
    found = trainer_of(tmp_path, model, per_device_eval_batch_size=batch).evaluate()
    assert found["eval_loss"] == pytest.approx(expected.loss, rel=1e-5)
    assert found["eval_accuracy"] == pytest.approx(expected.accuracy)
    assert found["eval_answer_accuracy"] == pytest.approx(expected.answer_accuracy)


def test_accuracy_is_of_the_steps_since_the_last_log(tiny_llama: Path, tmp_path: Path) -> None:
    # One row a step and no learning: two logs of four rows each, in the order of the file.
    model = judge_of(tiny_llama)
    halves = [by_hand(model, rows()[:4]), by_hand(model, rows()[4:])]
    trainer = trainer_of(
        tmp_path,
        model,
        per_device_train_batch_size=1,
        learning_rate=0.0,
        max_steps=8,
        logging_steps=4,
        train_sampling_strategy="sequential",
    )
    trainer.train()
    for row, half in zip(logged(trainer), halves, strict=True):
        assert row["accuracy"] == pytest.approx(half.accuracy)
        assert row["answer_accuracy"] == pytest.approx(half.answer_accuracy)


@pytest.mark.slow
def test_two_processes_find_what_one_finds(tiny_llama: Path, tmp_path: Path) -> None:
    model = judge_of(tiny_llama)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    driver = ["-m", "tests.runs.prm.two_processes", str(tiny_llama), str(tmp_path)]
    where = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    run = subprocess.run(
        [sys.executable, *launch, *driver],
        cwd=ROOT,
        env={**os.environ, **where},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert found["processes"] == 2
    # Seven rows do not go into batches of two on two processes: one row is seen twice.
    odd = by_hand(model, rows()[:-1])
    assert found["eval"]["eval_loss"] == pytest.approx(odd.loss, rel=1e-5)
    assert found["eval"]["eval_accuracy"] == pytest.approx(odd.accuracy)
    assert found["eval"]["eval_answer_accuracy"] == pytest.approx(odd.answer_accuracy)
    whole = by_hand(model, rows())
    one = trainer_of(tmp_path, model, max_steps=1)
    one.train()
    assert found["train"]["loss"] == pytest.approx(whole.loss, abs=2e-4)
    for name in ("accuracy", "answer_accuracy", "num_tokens", "grad_norm"):
        assert found["train"][name] == pytest.approx(logged(one)[0][name], rel=1e-3)


def test_a_judge_is_saved_and_read_by_transformers(tiny_llama: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForTokenClassification

    model = judge_of(tiny_llama)
    before = weights(model)
    trainer = trainer_of(tmp_path, model)
    trainer.train()
    first, second = logged(trainer)
    assert second["loss"] < first["loss"]
    after = weights(model)
    assert not [name for name, value in before.items() if value.equal(after[name])]
    trainer.save_model(str(tmp_path / "model"))
    read = AutoModelForTokenClassification.from_pretrained(tmp_path / "model")
    assert read.config.id2label == {0: "wrong", 1: "right"}
    assert by_hand(read, rows()) == by_hand(model, rows())


ADAPTERS: dict[str, dict[str, Any]] = {
    "all linear": {},
    "all linear but one": {"exclude_modules": ["o_proj"]},
    "all linear but a pattern": {"exclude_modules": r".*\.o_proj"},
    "two": {"target_modules": ["q_proj", "v_proj"]},
    "with a head of its own accord": {"modules_to_save": ["score"]},
}


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("options", ADAPTERS.values(), ids=ADAPTERS)
def test_an_adapter_trains_with_the_head_and_is_saved_with_it(
    tiny_llama: Path, tmp_path: Path, options: dict[str, Any], checkpointing: bool
) -> None:
    from peft import PeftModel

    config = lora(**options)
    base = judge_of(tiny_llama)
    start = by_hand(base, rows())
    trainer = trainer_of(tmp_path, base, peft_config=config, activation_checkpointing=checkpointing)
    before = weights(trainer.model)
    trainer.train()
    after = weights(trainer.model)
    moved = {name for name, value in before.items() if not value.equal(after[name])}
    assert {name for name in moved if "lora_" not in name} == {
        "base_model.model.score.modules_to_save.default.weight",
        "base_model.model.score.modules_to_save.default.bias",
    }
    adapted = {name.split(".")[-4] for name in moved if "lora_" in name}
    assert "q_proj" in adapted
    assert ("o_proj" in adapted) == (options.keys() <= {"modules_to_save"})
    assert logged(trainer)[0]["loss"] == pytest.approx(start.loss, abs=2e-4)
    trainer.save_model(str(tmp_path / "adapter"))
    read = PeftModel.from_pretrained(judge_of(tiny_llama, seed=1), tmp_path / "adapter")
    assert by_hand(read, rows()).loss == pytest.approx(by_hand(trainer.model, rows()).loss)
    # What the caller gave stays as it was given.
    assert config.exclude_modules == lora(**options).exclude_modules


def test_virtual_tokens_before_a_row_are_not_judged(tiny_llama: Path, tmp_path: Path) -> None:
    from peft import PromptTuningConfig

    config = PromptTuningConfig(task_type="TOKEN_CLS", num_virtual_tokens=3)
    trainer = trainer_of(tmp_path, judge_of(tiny_llama), peft_config=config)
    batch = trainer.data_collator(rows())
    logits = trainer.model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    assert logits.shape[1] == batch["labels"].shape[1] + 3
    trainer.train()
    first, second = logged(trainer)
    assert second["loss"] < first["loss"]


@pytest.mark.parametrize("disabled", [True, False])
def test_dropout_of_the_model_is_switched_off_and_that_of_an_adapter_stays(
    tiny_llama: Path, tmp_path: Path, disabled: bool
) -> None:
    model = judge_of(tiny_llama)
    assert model.dropout.p == 0.1
    adapter = lora(lora_dropout=0.3)
    trainer_of(tmp_path, model, peft_config=adapter, disable_dropout=disabled)
    assert model.dropout.p == (0.0 if disabled else 0.1)
    assert model.model.layers[0].self_attn.q_proj.lora_dropout["default"].p == 0.3


def test_a_model_with_other_classes_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the model has 3 labels"):
        trainer_of(tmp_path, judge_of(tiny_llama, num_labels=3))


@pytest.mark.parametrize("task", ["CAUSAL_LM", None])
def test_an_adapter_that_leaves_the_head_out_is_refused(
    tiny_llama: Path, tmp_path: Path, task: str | None
) -> None:
    with pytest.raises(ValueError, match="the head would not train"):
        trainer_of(tmp_path, judge_of(tiny_llama), peft_config=lora(task_type=task))
