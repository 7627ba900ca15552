"""Names, splits, slices and files of a hub data set, against the library's own reading of them.

A folder laid out like a data set of the hub stands in for it; nothing is asked for.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset

from recipe_runner.execute.data import prepare

pytestmark = pytest.mark.runs

CARD = """---
configs:
- config_name: small
  data_files: [{split: train, path: small/train.jsonl}, {split: test, path: small/test.jsonl}]
- config_name: large
  data_files: [{split: train, path: large/*.jsonl}]
---
"""


@pytest.fixture
def hub(tmp_path: Path, chat: Any) -> Path:
    folder = tmp_path / "set"
    first = 0
    for name in ("small/train", "small/test", "large/a", "large/b"):
        file = folder / f"{name}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        rows = [json.dumps(chat("q", f"{n}")) for n in range(first, first + 40)]
        file.write_text("\n".join(rows))
        first += 100
    (folder / "README.md").write_text(CARD)
    return folder


def numbers(tokenizer: Any, rows: Any) -> list[int]:
    texts = [tokenizer.decode([t for t in row["labels"] if t != -100]) for row in rows]
    return [int(text.split("<")[0].split()[-1]) for text in texts]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({"name": "small"}, [*range(40)], id="name"),
        pytest.param({"name": "small", "split": "test"}, [*range(100, 140)], id="split"),
        pytest.param({"name": "small", "split": "train[:10%]"}, [*range(4)], id="percent"),
        pytest.param({"name": "small", "split": "train[5:8]"}, [5, 6, 7], id="rows"),
        pytest.param({"name": "small", "split": "train[-2:]"}, [38, 39], id="last"),
        pytest.param(
            {"name": "small", "split": "train[:2]+test[:1]"}, [0, 1, 100], id="two-splits"
        ),
        pytest.param({"name": "large"}, [*range(200, 240), *range(300, 340)], id="several-files"),
        pytest.param({"data_files": ["large/b.jsonl"]}, [*range(300, 340)], id="data-files"),
    ],
)
def test_a_hub_data_set_is_read_as_the_library_reads_it(
    values: dict[str, Any],
    expected: list[int],
    hub: Path,
    tmp_path: Path,
    plan: Any,
    source: Any,
    tokenizer: Any,
) -> None:
    given = dict(values)
    files = given.pop("data_files", None)
    options = {"loader_options": {"data_files": files}} if files else {}
    made = source(hub, loader="hub", revision="a" * 40, **given, **options)
    rows = prepare(plan(dataclasses.replace(made, files=())), tokenizer).train
    assert numbers(tokenizer, rows) == expected
    theirs = load_dataset(
        str(hub), **{"split": "train", "cache_dir": str(tmp_path / "their"), **values}
    )
    assert [int(row["messages"][-1]["content"]) for row in theirs] == expected
