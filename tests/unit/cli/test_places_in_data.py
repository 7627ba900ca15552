"""A fault in a data file is shown where it is: path, line, column, and a caret under it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Command

GOOD = json.dumps(
    {
        "messages": [
            {"role": "user", "content": "x" * 300},
            {"role": "assistant", "content": "yy"},
        ]
    }
)
BARE = GOOD.replace('"yy"', "yy")
"""An answer without its quotes, in column 381."""


@pytest.mark.parametrize(
    ("name", "content", "place", "code", "before", "behind"),
    [
        ("a.jsonl", f"{GOOD}\n{BARE}\n", "2:381", "RR402", '"content": ', "yy}]}"),
        ("a.jsonl", f'{GOOD}\n{{"messages": [\n{GOOD}\n', "2:15", "RR402", '{"messages": [', ""),
        ("a.json", f"[\n{GOOD},\n{BARE}\n]", "3:381", "RR402", '"content": ', "yy}]}"),
        ("a.json", f'[\n{GOOD},\n {{"messages": [}}\n]', "3:16", "RR402", ' {"messages": [', "}"),
        ("a.json", f'[\n{GOOD},\n {{"mess', "3:3", "RR403", " {", '"mess'),
    ],
    ids=["long-line", "open-at-the-end", "array-long", "array-short", "array-cut-off"],
)
def test_the_caret_is_under_the_fault(
    recipe_run: Command,
    tmp_path: Path,
    name: str,
    content: str,
    place: str,
    code: str,
    before: str,
    behind: str,
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    done = recipe_run("check", "recipe.yaml", "--set", f"data.train={name}")
    first, excerpt, caret, *_ = done.stdout.splitlines()
    assert first.startswith(f"{name}:{place}: {code} "), done.stdout
    at = caret.index("^")
    assert excerpt[:at].endswith(before), f"{excerpt}\n{caret}"
    assert excerpt[at:].startswith(behind), f"{excerpt}\n{caret}"
    assert "the data set is named here" in done.stdout


def test_a_broken_archive_is_named_as_a_person_there_would_type_it(
    recipe_run: Command, tmp_path: Path
) -> None:
    packed = gzip.compress(f"{GOOD}\n".encode() * 50)
    (tmp_path / "a.jsonl.gz").write_bytes(packed[:-20])
    done = recipe_run("check", "recipe.yaml", "--set", "data.train=a.jsonl.gz")
    assert done.stdout.startswith("a.jsonl.gz:1:1: RR403 ")
    assert "the data set is named here" in done.stdout
