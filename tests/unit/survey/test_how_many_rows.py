"""How much of a data set a check reads: the first thousand rows and the last, or all of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recipe_runner.pipeline import compile_file
from tests.workshop import BASE, CHAT

GOOD = json.dumps(CHAT) + "\n"
BAD = '{"messages": [\n'


@pytest.mark.parametrize(
    ("rows", "all_rows", "line"),
    [
        pytest.param(GOOD * 500 + BAD + GOOD * 3000, False, 501, id="within-the-first-thousand"),
        pytest.param(GOOD * 1500 + BAD + GOOD * 3000, False, None, id="in-the-middle"),
        pytest.param(GOOD * 1500 + BAD + GOOD * 3000, True, 1501, id="in-the-middle-of-all-rows"),
        pytest.param(GOOD * 4000 + BAD.rstrip(), False, 4001, id="at-the-end"),
    ],
)
def test_a_check_reads_the_first_rows_and_the_last(
    tmp_path: Path, rows: str, all_rows: bool, line: int | None
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "chat.jsonl").write_text(rows)
    (tmp_path / "recipe.yaml").write_text(json.dumps(BASE))
    compiled = compile_file(str(tmp_path / "recipe.yaml"), None, cwd=tmp_path, all_rows=all_rows)
    found = [d.place.span.start.line for d in compiled.report]
    assert found == ([] if line is None else [line])
    if line is None:
        assert compiled.plan is not None
        assert compiled.plan.data.train[0].rows == rows.count("\n")
