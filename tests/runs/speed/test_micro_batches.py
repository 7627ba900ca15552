"""Rows of a step, shared out by tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runs.algorithms.matrix import Case
from tests.runs.speed.table import EXACT, run
from tests.tiny import tiny_model

pytestmark = pytest.mark.runs


@pytest.mark.parametrize(
    ("lengths", "most", "parts"),
    [
        ([3, 3, 3, 3], 6, [2, 2]),
        ([3, 3, 3], 100, [3]),
        ([9, 1, 1, 9], 4, [1, 2, 1]),
        ([5, 5], 1, [1, 1]),
        ([4], 4, [1]),
        ([2, 2, 2, 3], 6, [3, 1]),
    ],
)
def test_rows_in_their_order_up_to_so_many_tokens(
    lengths: list[int], most: int, parts: list[int]
) -> None:
    import torch

    from recipe_runner.execute.speed.micro_batches import shared_out

    width = max(lengths)
    mask = torch.tensor([[int(i < n) for i in range(width)] for n in lengths])
    ids = torch.arange(len(lengths) * width).view(len(lengths), width)
    batch = {"input_ids": ids, "attention_mask": mask, "labels": ids}
    found = list(shared_out(batch, most))
    assert [len(part["input_ids"]) for part in found] == parts
    assert all(part["labels"].shape == part["attention_mask"].shape for part in found)
    again = [
        row[kept.bool()].tolist()
        for part in found
        for row, kept in zip(part["input_ids"], part["attention_mask"], strict=True)
    ]
    assert again == [row[kept.bool()].tolist() for row, kept in zip(ids, mask, strict=True)]
    assert all(part["attention_mask"].any(0).all() for part in found)


@pytest.mark.parametrize(
    ("lengths", "most", "wanted", "parts"),
    [
        ([3, 3, 3, 3], 100, 2, [2, 2]),
        ([3, 3, 3, 3], 6, 3, [1, 1, 2]),
        ([3, 3, 3], 100, 3, [1, 1, 1]),
        ([3, 3, 3], 100, 1, [3]),
    ],
)
def test_as_many_parts_as_in_another_process(
    lengths: list[int], most: int, wanted: int, parts: list[int]
) -> None:
    import torch

    from recipe_runner.execute.speed.micro_batches import shared_out

    mask = torch.tensor([[int(i < n) for i in range(max(lengths))] for n in lengths])
    batch = {"attention_mask": mask, "row": torch.arange(len(lengths))}
    found = list(shared_out(batch, most, lambda here: max(here, wanted)))
    assert [len(part["row"]) for part in found] == parts
    assert torch.cat([part["row"] for part in found]).tolist() == list(range(len(lengths)))


def test_two_processes_share_the_rows_of_a_step_out(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model")
    sections = {
        "training": {
            "max_steps": 3,
            "per_device_train_batch_size": 1,
            "global_batch_size": 8,
            "logging_steps": 1,
        },
        "launch": {"use_cpu": True, "num_processes": 2},
    }
    speed = {"micro_batches": "require", "tokens_per_micro_batch": 64}
    off = run(Case("sft"), tmp_path / "off", model, model, {**sections, "speed": "off"})
    found = run(Case("sft"), tmp_path / "on", model, model, {**sections, "speed": speed})
    assert off.said == found.said == ""
    assert found.levers["micro_batches"]["state"] == "applied"
    assert found.losses == pytest.approx(off.losses, rel=EXACT)
    assert found.norms == pytest.approx(off.norms, rel=EXACT)
    assert len(found.losses) == 3
