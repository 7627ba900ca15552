"""Examples with images in the form that TRL's preference and reinforcement trainers take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.components.base import create
from recipe_runner.components.format import Format
from recipe_runner.execute.vision import to_trl
from recipe_runner.rows import RowProblem
from tests.runs.vision.families import Family
from tests.tiny_vision import COLOURS, picture

pytestmark = pytest.mark.runs

CPU = {
    "max_steps": 2,
    "logging_steps": 1,
    "report_to": [],
    "use_cpu": True,
    "bf16": False,
    "save_strategy": "no",
    "learning_rate": 1e-3,
}


def question(name: str) -> list[dict[str, Any]]:
    parts = [
        {"type": "image", "image": f"{name}.png"},
        {"type": "text", "text": "what colour is it?"},
    ]
    return [{"role": "user", "content": parts}]


def answer(text: str) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": text}]


def examples(kind: str, rows: Sequence[dict[str, Any]], base: Path) -> list[dict[str, Any]]:
    """Rows of a format of ours, as TRL takes them."""
    format_: Format = create("recipe_runner.components.formats", {"type": kind})
    return [to_trl(format_.to_example(row), base) for row in rows]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for colour in COLOURS:
        picture(tmp_path / f"{colour}.png", colour)
    return tmp_path


def loaded(family: Family) -> dict[str, Any]:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    return {
        "model": AutoModelForImageTextToText.from_pretrained(family.folder),
        "processing_class": AutoProcessor.from_pretrained(family.folder),
    }


@pytest.mark.parametrize("name", ["llava", "qwen2_vl"])
def test_dpo_trains_on_pairs_with_images(name: str, make: Any, base: Path) -> None:
    import datasets
    from trl import DPOConfig, DPOTrainer

    rows = [
        {"prompt": question(c), "chosen": answer(f"{c}!"), "rejected": answer("no idea")}
        for c in COLOURS
    ]
    data = datasets.Dataset.from_list(examples("preference", rows, base))
    arguments = DPOConfig(str(base / "out"), per_device_train_batch_size=2, max_length=128, **CPU)
    trainer = DPOTrainer(args=arguments, train_dataset=data, **loaded(make(name)))
    trainer.train()
    logged = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    # Before the first step the model is its own reference: the loss is ln 2.
    assert logged[0] == pytest.approx(0.6931, abs=1e-3)
    assert logged[1] < logged[0]


@pytest.mark.parametrize("name", ["llava", "qwen2_vl"])
def test_grpo_answers_prompts_with_images(name: str, make: Any, base: Path) -> None:
    import datasets
    from trl import GRPOConfig, GRPOTrainer

    rows = [{"prompt": question(c)} for c in COLOURS]
    data = datasets.Dataset.from_list(examples("prompt", rows, base))
    arguments = GRPOConfig(
        str(base / "out"),
        per_device_train_batch_size=4,
        num_generations=2,
        max_completion_length=4,
        **CPU,
    )
    seen_prompts = []

    def longest(prompts: Any, completions: Any, **_: Any) -> list[float]:
        seen_prompts.extend(prompts)
        return [float(len(str(completion))) for completion in completions]

    trainer = GRPOTrainer(
        reward_funcs=longest, args=arguments, train_dataset=data, **loaded(make(name))
    )
    trainer.train()
    assert trainer.state.global_step == 2
    parts = [part for prompt in seen_prompts for part in prompt[0]["content"]]
    assert any(part["type"] == "image" for part in parts)


def test_answers_that_begin_alike_share_the_images_of_their_beginning(base: Path) -> None:
    row = {
        "chosen": [*question("red"), *answer("red")],
        "rejected": [*question("red"), *answer("blue")],
    }
    (example,) = examples("preference", [row], base)
    assert [message["role"] for message in example["prompt"]] == ["user"]
    assert len(example["images"]) == 1
    assert example["images"][0].getpixel((0, 0)) == COLOURS["red"]
    assert example["chosen"][0]["content"] == [{"type": "text", "text": "red"}]


def test_an_image_in_one_answer_is_refused(base: Path) -> None:
    shown = [{"role": "assistant", "content": question("red")[0]["content"]}]
    row = {"prompt": question("red"), "chosen": shown, "rejected": answer("no")}
    with pytest.raises(RowProblem, match="in an answer"):
        examples("preference", [row], base)
