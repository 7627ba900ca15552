"""Rows of text files are those of the file, where the datasets library changes or refuses them.

These are the measurements behind docs/decisions/0004-rows-are-read-in-place.md. Where one of
the tests fails because `datasets` gives the rows as written, the decision deserves a look.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets.exceptions import DatasetGenerationError

from recipe_runner.rows import CsvRows, JsonRows, RowProblem

pytestmark = pytest.mark.runs

BLOCK = 1 << 16
"""Bytes after which `datasets` settles the types; 10 MiB unless told, less here to be quick."""

PLAIN = {"messages": [{"role": "user", "content": "x" * 100}]}
CALLS = {"messages": [{"role": "assistant", "content": "x", "tool_calls": [{"f": {"a": 1}}]}]}
MANY = 2000


def written(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def ours(rows: JsonRows | CsvRows) -> list[Any]:
    return [row for chunk in rows.chunks for _, row in rows.read(chunk)]


def theirs(file: Path, kind: str = "json", **options: Any) -> list[Any]:
    cache = str(file.parent / "cache")
    loaded = datasets.load_dataset(
        kind, data_files=str(file), split="train", cache_dir=cache, **options
    )
    return list(loaded)


def test_a_key_that_comes_late_ends_the_other_reader(tmp_path: Path) -> None:
    rows = [PLAIN] * MANY + [CALLS]
    file = written(tmp_path / "chat.jsonl", rows)
    assert ours(JsonRows([str(file)])) == rows
    with pytest.raises(DatasetGenerationError) as caught:
        theirs(file, chunksize=BLOCK)
    assert "Couldn't cast" in str(caught.value.__cause__)
    assert file.name not in str(caught.value.__cause__)  # nor is there a line number


def test_a_type_that_changes_late_changes_texts_in_the_other_reader(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"m": "x" * 100}] * MANY + [{"m": ["x"]}]
    file = written(tmp_path / "chat.jsonl", rows)
    assert ours(JsonRows([str(file)])) == rows
    found = theirs(file, chunksize=BLOCK)
    changed = [row for row, given in zip(found, rows, strict=True) if row != given]
    assert changed[0] == {"m": f'"{"x" * 100}"'}  # with the quotes of JSON around it


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([{"prompt": "When?", "completion": "2024-01-31"}], id="date"),
        pytest.param([{"n": 12345678901234567890123}], id="large-number"),
        pytest.param([{"a": 1}, {"a": 1, "b": 2}], id="missing-key"),
    ],
)
def test_values_stay_as_written(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    file = written(tmp_path / "chat.jsonl", rows)
    assert ours(JsonRows([str(file)])) == rows
    assert theirs(file) != rows


def test_values_of_csv_are_texts(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text("prompt,completion\n1,007\n2,NA\n")
    assert ours(CsvRows([str(file)])) == [
        {"prompt": "1", "completion": "007"},
        {"prompt": "2", "completion": "NA"},
    ]
    assert theirs(file, "csv")[0] == {"prompt": 1, "completion": 7.0}
    assert theirs(file, "csv")[1]["completion"] is None


def test_a_broken_line_leaves_the_others(tmp_path: Path) -> None:
    file = tmp_path / "chat.jsonl"
    file.write_text('{"a": "x"}\n{"a": broken}\n{"a": "z"}\n')
    first, second, third = ours(JsonRows([str(file)]))
    assert (first, third) == ({"a": "x"}, {"a": "z"})
    assert isinstance(second, RowProblem)
    with pytest.raises(DatasetGenerationError):
        theirs(file)
