"""Every row becomes an example of the shape that its format declares, or a problem with a reason.

`RECIPE_RUNNER_FUZZ_ROWS=10000 python -m pytest tests/properties/test_formats.py -s` generates
that many rows over all layouts, and prints what became of them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipe_runner.components.base import create, discover
from recipe_runner.execute.data.work import FORMATS, Reader, Task
from recipe_runner.plan import FormatPlan, LossPlan, RowPolicy, SourcePlan
from recipe_runner.rows import Row, RowProblem
from recipe_runner.rows.row import Chunk, Located, Where
from tests.properties.rows import GOOD, rows_of
from tests.shapes import misfit

ROWS = int(os.environ.get("RECIPE_RUNNER_FUZZ_ROWS", "850"))
"""Rows to generate over all layouts."""

_AT_ONCE = 5


@dataclass(frozen=True)
class Given:
    """Rows that are there already, as a source hands them out."""

    found: Sequence[Row]

    def __len__(self) -> int:
        return len(self.found)

    @property
    def chunks(self) -> Sequence[Chunk]:
        return [Chunk(0, len(self.found))]

    def read(self, chunk: Chunk) -> Iterator[Located]:
        for number, row in enumerate(self.found[chunk.start : chunk.stop], chunk.start + 1):
            yield Where(number), row


@pytest.mark.parametrize("layout", GOOD)
def test_no_row_vanishes_and_every_example_has_its_shape(layout: str) -> None:
    options = GOOD[layout][0]
    format_ = create(FORMATS, options)
    plan = FormatPlan(format_.type, format_.example_shape, format_.options())
    keep = RowPolicy(consecutive_assistant="keep")
    source = SourcePlan("x", "json", plan, LossPlan("all"), on_bad_row=keep)
    seen: Counter[str] = Counter()

    @settings(
        max_examples=-(-ROWS // (len(GOOD) * _AT_ONCE)),
        deadline=None,
        database=None,
        # Drawn anew each time, a layout is sometimes given no good row at all.
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(rows_of(layout), min_size=_AT_ONCE, max_size=_AT_ONCE))
    def check(rows: list[dict[str, Any]]) -> None:
        found = Reader(source, Given(rows)).examples(Task(0, Chunk(0, len(rows))))
        assert [where.number for where, _ in found] == list(range(1, len(rows) + 1))
        for _, result in found:
            if isinstance(result, RowProblem):
                assert result.reason
                assert result.message.strip()
                seen[result.reason] += 1
            else:
                wrong = misfit(result, format_.example_shape, options.get("template_keys", ()))
                assert wrong is None, (wrong, result)
                seen["an example"] += 1

    check()
    print(f"\n{layout}: {seen.total()} rows: {dict(seen.most_common())}")
    assert seen.total() >= ROWS // len(GOOD)
    assert seen["an example"]
    assert seen.total() > seen["an example"]


def test_every_format_is_fuzzed() -> None:
    assert {options["type"] for options, _ in GOOD.values()} == set(discover(FORMATS))
