"""Rows of a step, shared out by tokens."""

from __future__ import annotations

import pytest

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
