"""Optional columns and keys that a recipe names: told where no row that was read has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.workshop import CHAT, Workshop, recipe

ROW = {
    "sys": "Be short.",
    "messages": [
        {"role": "user", "content": "Hi", "mood": "calm"},
        {"role": "assistant", "content": "Hello", "wt": 1, "learn": True},
    ],
}


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, []),
        ({"system_column": "sys", "weight_key": "wt", "train_key": "learn"}, []),
        ({"template_keys": ["mood"], "reasoning_keys": []}, []),
        ({"train_key": None, "images_column": None, "tools_column": "tools"}, []),
        ({"system_column": "system_prompt"}, ["system_column"]),
        ({"weight_key": "wieght", "spans_key": "spans"}, ["weight_key", "spans_key"]),
        ({"template_keys": ["mood", "tone"]}, ["template_keys"]),
    ],
)
def test_a_name_that_no_row_has_is_told(
    options: Mapping[str, Any], names: list[str], shop: Workshop
) -> None:
    rows = [CHAT, ROW, CHAT]
    file = shop.folder / "data" / "named.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    train = {"path": "data/named.jsonl", "format": {"type": "messages", **options}}
    found = shop.compile(recipe({"data.train": train})).report.diagnostics
    assert [(d.code.id, d.severity) for d in found] == [("RR354", "warning")] * len(names)
    assert sorted(d.message.split("`")[1] for d in found) == sorted(names)
    assert all("none of the 3 rows" in d.message for d in found)


@pytest.mark.parametrize(
    ("split", "codes"),
    [
        ("train", []),
        ("validation.clean", []),
        ("train[:10%]", []),
        ("train[5:8] + test[-2:]", []),
        ("train[10%:20%](pct1_dropremainder)", []),
        ("", ["RR204"]),
        ("train[:10%", ["RR204"]),
        ("train[10%]", ["RR204"]),
        ("train[a:b]", ["RR204"]),
        ("train+", ["RR204"]),
    ],
)
def test_slices_of_a_split_that_cannot_be_read(
    split: str, codes: list[str], shop: Workshop
) -> None:
    train = {"path": "org/set", "format": "messages", "split": split}
    assert shop.codes(recipe({"data.train": train})) == codes
