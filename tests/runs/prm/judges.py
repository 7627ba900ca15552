"""Tiny judges with rows to judge, and what they should lose and get right, worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAD = 0
ROWS: tuple[tuple[tuple[int, ...], dict[int, int]], ...] = (
    ((7, 21, 33, 40, 52), {2: 1, 4: 0}),
    ((9, 11, 13), {2: 1}),
    ((5, 6, 7, 8, 9, 10, 11, 12), {1: 0, 3: 1, 5: 1, 7: 0}),
    ((60, 61, 62, 63), {1: 1, 3: 1}),
    ((70, 71), {1: 0}),
    ((80, 82, 84, 86, 88, 90), {0: 1, 2: 0, 5: 1}),
    ((31, 32, 33, 34, 35, 36, 37), {6: 1}),
    ((41, 43), {0: 0, 1: 1}),
)
"""Token ids, and the classes of the tokens where a step ends; rows differ in both lengths."""


@dataclass(frozen=True)
class ByHand:
    """What a model says of rows, counted a row at a time."""

    loss: float
    accuracy: float
    answer_accuracy: float


def rows(count: int = len(ROWS)) -> list[dict[str, list[int]]]:
    """The first rows, as a collator takes them."""
    return [
        {
            "input_ids": list(ids),
            "labels": [classes.get(place, -100) for place in range(len(ids))],
        }
        for ids, classes in ROWS[:count]
    ]


def by_hand(model: Any, given: Sequence[dict[str, list[int]]], smoothing: float = 0.0) -> ByHand:
    """Mean of -log softmax over all steps, from the logits and without torch's losses.

    With label smoothing e the target is 1 - e/2 for the label and e/2 for the other class.
    """
    import torch

    was = model.training
    model.eval()
    losses, verdicts = [], []
    for row in given:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([row["input_ids"]])).logits[0].tolist()
        own = []
        for place, label in enumerate(row["labels"]):
            if label == -100:
                continue
            right, other = logits[place][label], logits[place][1 - label]
            total = math.log(math.exp(right) + math.exp(other))
            losses.append((1 - smoothing / 2) * (total - right) + smoothing / 2 * (total - other))
            own.append(right > other)
        verdicts.append(own)
    model.train(was)
    return ByHand(
        sum(losses) / len(losses),
        sum(map(sum, verdicts)) / len(losses),
        sum(map(all, verdicts)) / len(verdicts),
    )


def judge_of(folder: Path, *, num_labels: int = 2, seed: int = 0) -> Any:
    """The model in `folder` with a random head, whose logits are wide apart."""
    import torch
    from transformers import AutoModelForTokenClassification

    torch.manual_seed(seed)
    model = AutoModelForTokenClassification.from_pretrained(folder, num_labels=num_labels)
    with torch.no_grad():
        model.score.weight.mul_(20)
    return model


def trainer_of(folder: Path, model: Any, *, peft_config: Any = None, **changes: Any) -> Any:
    """A trainer of all rows, on a CPU and without anything that writes."""
    from datasets import Dataset
    from transformers import TrainingArguments

    from recipe_runner.execute.prm.trainer import PRMTrainer
    from recipe_runner.execute.sft.collator import Collator

    ours = {name: changes.pop(name) for name in ("disable_dropout",) if name in changes}
    data = Dataset.from_list(changes.pop("rows", rows()))
    arguments = {
        "output_dir": str(folder / "run"),
        "per_device_train_batch_size": 8,
        "learning_rate": 1e-3,
        "lr_scheduler_type": "constant",
        "max_steps": 2,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
        "remove_unused_columns": False,
        **changes,
    }
    return PRMTrainer(
        model=model,
        args=TrainingArguments(**arguments),
        data_collator=Collator(PAD),
        train_dataset=data,
        eval_dataset=data,
        peft_config=peft_config,
        **ours,
    )


def logged(trainer: Any) -> list[dict[str, float]]:
    """The rows of training steps."""
    return [row for row in trainer.state.log_history if "loss" in row]
