"""Marks of single messages beside a `loss_on` that would overrule them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.workshop import recipe, workshop

TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


@pytest.mark.parametrize(
    ("mark", "format_", "loss_on", "codes"),
    [
        pytest.param({"train": False}, {}, "all", ["RR350"], id="train"),
        pytest.param({"w": 0.5}, {"weight_key": "w"}, "all", ["RR350"], id="weight"),
        pytest.param({"train": False}, {"train_key": None}, "all", [], id="marks are not read"),
        pytest.param({"train": True}, {}, "assistant", [], id="marks count"),
        pytest.param({}, {}, "all", [], id="no marks"),
    ],
)
def test_loss_on_all_does_not_overrule_marks_in_silence(
    mark: dict[str, Any], format_: dict[str, Any], loss_on: str, codes: list[str], tmp_path: Path
) -> None:
    shop = workshop(tmp_path)
    rows = [{"messages": TURNS}, {"messages": [TURNS[0], {**TURNS[1], **mark}]}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "data" / "chat.jsonl").write_text(lines, encoding="utf-8")
    source = {"path": "data/chat.jsonl", "format": {"type": "messages", **format_}}
    made = recipe({"data.train": source, "data.loss_on": loss_on})
    assert shop.codes(made) == codes
