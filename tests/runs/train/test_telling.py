"""What a run says of its rows: counts on the screen, and all of it in `data.json`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recipe_runner.compiler.machine import machine
from recipe_runner.execute.launch import launch
from recipe_runner.pipeline import compile_text
from tests.runs.train.by_hand import Recorder

pytestmark = pytest.mark.runs

RECIPE = """\
recipe: 1
model: {name_or_path: shipped:quickstart, random_init: true}
tokenizer: shipped:quickstart
data: {train: {path: chat.jsonl, on_bad_row: drop}, max_length: 24}
algorithm: sft
training: {global_batch_size: 2, max_steps: 1}
output_dir: run
"""


def row(question: str, answer: str) -> str:
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": turns}) + "\n"


def test_skipped_and_truncated_rows_are_counted_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    whole, long = row("Hi", "Hello"), row("Hi", "b" * 60)
    (tmp_path / "chat.jsonl").write_text(whole + '{"messages": [\n' + whole + long + '{"a": 1}\n')
    compiled = compile_text(RECIPE, "recipe.yaml", machine("cpu-1"), cwd=tmp_path)
    assert compiled.plan is not None, [d.message for d in compiled.report]
    console = Recorder()
    launch(compiled.plan, RECIPE, RECIPE, console)
    told = "\n".join(console.lines)
    assert "3 rows to train on (" in told
    assert "chat.jsonl: 2 of 5 rows left out: 1 malformed (row 2); 1 missing-column (row 5)" in told
    assert "chat.jsonl: 1 of 3 rows truncated, by " in told
    kept = json.loads((tmp_path / "run" / "data.json").read_text(encoding="utf-8"))
    assert (kept["train_rows"], kept["sources"][0]["read"], kept["sources"][0]["used"]) == (3, 5, 3)
