"""Training on conversations with images, from rows on disk to a saved model that sees."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.execute.launch import launch
from recipe_runner.plan import Call
from tests.runs.train.by_hand import RECIPE, Recorder, losses
from tests.runs.vision.families import Family
from tests.runs.vision.plans import vision_plan
from tests.tiny_vision import COLOURS, seen

pytestmark = pytest.mark.runs

LONGER = {"max_steps": 80, "save_steps": 80, "warmup_steps": 5, "learning_rate": 1e-2}


def answer_losses(
    model: Any, processor: Any, pictures: dict[str, Any]
) -> dict[tuple[str, str], float]:
    """For each picture and each answer, the mean loss of the answer's tokens."""
    import torch

    found = {}
    for shown, image in pictures.items():
        for said in COLOURS:
            user, assistant = seen(image, "what colour is it?", f"{said}!")
            answer = [{"type": "text", "text": assistant["content"]}]
            batch = processor.apply_chat_template(
                [[user, {**assistant, "content": answer}]],
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
            ids = batch["input_ids"]
            begin = _last(processor.tokenizer("assistant\n")["input_ids"], ids[0].tolist())
            labels = torch.full_like(ids, -100)
            # The line break behind the answer is the template's and does not train.
            labels[:, begin:-1] = ids[:, begin:-1]
            with torch.no_grad():
                found[shown, said] = model(**batch, labels=labels).loss.item()
    return found


def _last(part: list[int], ids: list[int]) -> int:
    starts = [i for i in range(len(ids)) if ids[i : i + len(part)] == part]
    return starts[-1] + len(part)


def pictures(folder: Path) -> dict[str, Any]:
    from PIL import Image

    return {name: Image.open(folder / "pictures" / f"{name}.png") for name in COLOURS}


@pytest.mark.parametrize("name", ["llava", "qwen2_vl"])
def test_the_model_learns_to_name_the_colour_it_sees(name: str, make: Any, tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    plan = vision_plan(make(name).folder, tmp_path, arguments=LONGER)
    outcome = launch(plan, RECIPE, RECIPE, Recorder())
    assert outcome.status == "finished"
    logged = list(losses(tmp_path / "run").values())
    assert logged[-1] < 0.2 < 2 < logged[0]
    saved = tmp_path / "run" / "model"
    processor = AutoProcessor.from_pretrained(saved)
    model = AutoModelForImageTextToText.from_pretrained(saved).eval()
    found = answer_losses(model, processor, pictures(tmp_path))
    for shown in COLOURS:
        best = min(COLOURS, key=lambda said: found[shown, said])
        assert best == shown, found
    # The answer to another picture is no longer likely: what is learned is in the picture.
    wrong = [loss for (shown, said), loss in found.items() if shown != said]
    right = [found[shown, shown] for shown in COLOURS]
    assert min(wrong) > 4 * max(right)


def test_labels_and_losses_are_those_of_a_plain_trl_script(llava: Family, tmp_path: Path) -> None:
    """TRL's own vision path, with the whole conversation trained, is the reference."""
    import datasets
    from PIL import Image
    from transformers import AutoModelForImageTextToText, AutoProcessor, set_seed
    from trl import SFTConfig, SFTTrainer

    from recipe_runner.plan import LossPlan

    plan = vision_plan(llava.folder, tmp_path, arguments={"max_steps": 4})
    (source,) = plan.data.train
    # TRL's collator takes the loss of image tokens as well, so they are left out there too.
    plan = replace(plan, data=replace(plan.data, train=(replace(source, loss=LossPlan.of("all")),)))
    launch(plan, RECIPE, RECIPE, Recorder())
    rows = [json.loads(line) for line in (tmp_path / "chat.jsonl").read_text().splitlines()]
    data = datasets.Dataset.from_list(
        [
            {
                "messages": [
                    {"role": "user", "content": "what colour is it?"},
                    {"role": "assistant", "content": row["messages"][1]["content"]},
                ],
                "images": [Image.open(tmp_path / row["messages"][0]["content"][0]["image"])],
            }
            for row in rows
        ]
    )
    given = {**plan.arguments.arguments, "output_dir": str(tmp_path / "trl")}
    arguments = SFTConfig(**given)
    set_seed(plan.seed)
    model = AutoModelForImageTextToText.from_pretrained(llava.folder, attn_implementation="sdpa")
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=data,
        processing_class=AutoProcessor.from_pretrained(llava.folder),
    )
    upstream = trainer.data_collator

    def without_image_tokens(examples: Any) -> Any:
        batch = upstream(examples)
        batch["labels"][batch["input_ids"] == llava.place] = -100
        return batch

    trainer.data_collator = without_image_tokens
    trainer.train()
    wanted = {row["step"]: row["loss"] for row in trainer.state.log_history if "loss" in row}
    ours = losses(tmp_path / "run")
    assert [ours[step] for step in wanted] == pytest.approx(list(wanted.values()), abs=1e-5)


def test_accumulated_batches_have_the_losses_of_one(qwen: Family, tmp_path: Path) -> None:
    one = vision_plan(qwen.folder, tmp_path / "one", arguments={"max_steps": 4})
    split = {"max_steps": 4, "per_device_train_batch_size": 1, "gradient_accumulation_steps": 4}
    four = vision_plan(qwen.folder, tmp_path / "four", arguments=split)
    for plan in (one, four):
        launch(plan, RECIPE, RECIPE, Recorder())
    expected = list(losses(tmp_path / "one" / "run").values())
    assert list(losses(tmp_path / "four" / "run").values()) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("exclude", [None, ".*vision.*"])
def test_all_linear_takes_in_the_vision_tower_unless_it_is_excluded(
    llava: Family, tmp_path: Path, exclude: str | None
) -> None:
    from safetensors import safe_open

    lora = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    adapter = Call("peft:LoraConfig", {**lora, "exclude_modules": exclude})
    plan = vision_plan(llava.folder, tmp_path, arguments={"max_steps": 2}, adapter=adapter)
    launch(plan, RECIPE, RECIPE, Recorder())
    saved = tmp_path / "run" / "model"
    with safe_open(saved / "adapter_model.safetensors", "pt") as file:
        names = list(file.keys())
    assert any("language_model" in name for name in names)
    assert any("vision_tower" in name for name in names) == (exclude is None)
    assert (saved / "processor_config.json").exists()


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(llava: Family, tmp_path: Path) -> None:
    one = vision_plan(llava.folder, tmp_path / "one", arguments={"max_steps": 4})
    halved = {"max_steps": 4, "per_device_train_batch_size": 2}
    two = vision_plan(llava.folder, tmp_path / "two", arguments=halved, processes=2)
    for plan in (one, two):
        assert launch(plan, RECIPE, RECIPE, Recorder()).status == "finished"
    expected = list(losses(tmp_path / "one" / "run").values())
    assert list(losses(tmp_path / "two" / "run").values()) == pytest.approx(expected, abs=1e-5)
