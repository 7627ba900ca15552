"""Memory does not grow with the number of rows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.plan import FormatPlan, LossPlan, encode

pytestmark = pytest.mark.runs

# Plain text, which tokenizes fast: memory is not the chat template's business.
TEXT = FormatPlan("text", "text")

PROGRAM = """
import json, resource, sys
from pathlib import Path
from transformers import AutoTokenizer
from recipe_runner.execute.data import prepare
from recipe_runner.plan import decode
plan = decode(Path(sys.argv[1]).read_text())
prepared = prepare(plan, AutoTokenizer.from_pretrained(sys.argv[2]))
own, workers = (resource.getrusage(who).ru_maxrss >> 10
                for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps([len(prepared.train), own, workers]))
"""


def test_fifty_thousand_rows_take_no_more_memory_than_two_thousand(
    tmp_path: Path, plan: Any, source: Any, tokenizer: Any
) -> None:
    runs = []
    for rows in (2_000, 50_000):
        rows_file = texts(tmp_path / f"{rows}.jsonl", rows)
        made = plan(
            source(rows_file, format=TEXT, loss=LossPlan.of("all")), num_proc=2, eval_split=0.1
        )
        file = tmp_path / f"{rows}.json"
        file.write_text(encode(made))
        command = [sys.executable, "-c", PROGRAM, str(file), tokenizer.name_or_path]
        runs.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    small, large = (json.loads(run.communicate(timeout=100)[0].splitlines()[-1]) for run in runs)
    assert (small[0], large[0]) == (1_800, 45_000)
    # MiB. The large run's rows take 50 MiB as tokens and labels; as Python lists they would
    # take 800. The margin is for allocators, which keep what a chunk once needed.
    assert large[1] - small[1] < 60
    assert large[2] - small[2] < 60


def texts(file: Path, rows: int) -> Path:
    file.write_text(
        "".join(json.dumps({"text": f"{n} " + "word " * 25}) + "\n" for n in range(rows))
    )
    return file
