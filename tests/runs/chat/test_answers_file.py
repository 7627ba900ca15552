"""The file of answers goes on only from answers of its own, and loses none of anybody else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.execute.answering.answers_file import AnswersFile, OtherAnswers, line_of
from recipe_runner.execute.answering.rows import PromptRow

pytestmark = pytest.mark.runs

SETTINGS = {"plan": "abc", "temperature": 0.0}
ROWS = [
    PromptRow(number, "", {"prompt": f"Say {number}"}, f"Say {number}") for number in range(1, 4)
]


def answered(count: int) -> list[dict[str, Any]]:
    return [{**row.row, "answer": "yes"} for row in ROWS[:count]]


def finished(path: Path, count: int) -> None:
    """A whole file with answers to the first `count` rows."""
    file = AnswersFile(path, SETTINGS)
    file.open(ROWS, ["answer"], resume=False)
    file.add(answered(count))
    file.finish()


def resumed(path: Path, settings: dict[str, Any]) -> int:
    """How many answers are kept, once the rest is written."""
    file = AnswersFile(path, settings)
    try:
        file.open(ROWS, ["answer"], resume=True)
    finally:
        file.leave()
    return file.done


def test_answers_of_the_same_settings_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    finished(path, 2)
    assert resumed(path, SETTINGS) == 2
    # A line that a crash cut off is answered again.
    (tmp_path / "a.jsonl.partial").write_text(line_of(answered(1)[0]) + '{"pro', encoding="utf-8")
    assert resumed(path, SETTINGS) == 1


def test_the_last_line_counts_without_a_line_break(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    finished(path, 2)
    path.write_text(path.read_text(encoding="utf-8").rstrip("\n"), encoding="utf-8")
    assert resumed(path, SETTINGS) == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"the only copy of a thought", "nothing says what answered", id="foreign"),
        pytest.param(line_of(answered(1)[0]).encode(), "nothing says", id="no-settings"),
        pytest.param(b"\xff\xfe", "is no text", id="binary"),
    ],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.partial"])
def test_a_file_of_somebody_else_stays_as_it_is(
    name: str, content: bytes, words: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(OtherAnswers, match=words):
        resumed(tmp_path / "a.jsonl", SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == content


@pytest.mark.parametrize("change", [{"plan": "other"}, {"temperature": 0.7}])
def test_answers_of_other_settings_are_not_gone_on_from(
    change: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    finished(path, 2)
    before = path.read_bytes()
    (name,) = change
    with pytest.raises(OtherAnswers, match=f"made with {name} {SETTINGS[name]}"):
        resumed(path, {**SETTINGS, **change})
    assert path.read_bytes() == before
    written = json.loads((tmp_path / "a.jsonl.settings.json").read_text(encoding="utf-8"))
    assert written == {"schema": "recipe-run-answers/1", **SETTINGS}
